"""The change log of a project: what was done to which document, numbered without gaps in the order of the commits.

It is written in the transaction of the change itself. `seq` is the row's own key; `log.floor` is the last number that
is not kept any more, so that numbers go on after everything was pruned.
"""

from __future__ import annotations

from typing import Any, Final

import apsw

from bunbase.contracts.bundoc import ChangeEntry, Changes, ResyncRequired

Row = tuple[int, str, str, str, int, str, int]  # seq, op, collection, id, rev, at, depth

PRUNED_AT_ONCE: Final = 1000  # some milliseconds of the writer

# as the second format had it: files that are brought up pass through here
CREATE_LOG: Final = """
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY,
    op TEXT NOT NULL,
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    rev INTEGER NOT NULL,
    at TEXT NOT NULL
);
CREATE TABLE log (floor INTEGER NOT NULL);
INSERT INTO log (floor) VALUES (0);"""
ADD_DEPTH: Final = "ALTER TABLE changes ADD COLUMN depth INTEGER NOT NULL DEFAULT 0"

ENDS: Final = "SELECT floor, coalesce((SELECT max(seq) FROM changes), floor) FROM log"
APPEND: Final = "INSERT INTO changes (seq, op, collection, id, rev, at, depth) VALUES (?, ?, ?, ?, ?, ?, ?)"
SINCE: Final = "SELECT seq, op, collection, id, rev, at, depth FROM changes WHERE seq > ? ORDER BY seq LIMIT ?"
YOUNG: Final = "SELECT seq FROM changes WHERE seq <= ? AND at >= ? ORDER BY seq LIMIT 1"
OLDEST: Final = "SELECT at FROM changes ORDER BY seq LIMIT 1"
PRUNE: Final = "DELETE FROM changes WHERE seq <= ?"
RAISE_FLOOR: Final = "UPDATE log SET floor = ?"


def ends(connection: apsw.Connection) -> tuple[int, int]:
    """Give the last number that is not kept any more, and the newest there is."""
    floor, last = connection.execute(ENDS).get
    return floor, last


def append(connection: apsw.Connection, rows: list[Row]) -> None:
    """All of a batch at once: half the cost of a statement with each write."""
    connection.executemany(APPEND, rows)


def changes_since(connection: apsw.Connection, since: int, limit: int) -> Changes:
    """Raises: ResyncRequired."""
    with connection:  # one snapshot for both: pruning in between must not look like a gap
        floor, last = ends(connection)
        if not floor <= since <= last:
            raise _resync(since, floor, last)
        rows: list[Any] = connection.execute(SINCE, (since, limit)).fetchall()  # or an error would leave them open
        items = tuple([ChangeEntry(*row) for row in rows])
    return Changes(items, items[-1].seq if items else since)


def is_due(connection: apsw.Connection, most: int, not_before: str) -> bool:
    """Say whether there are changes that are too many or too old."""
    floor, last = ends(connection)
    oldest = connection.execute(OLDEST).get
    return oldest is not None and (last - floor > most or oldest < not_before)


def prune(connection: apsw.Connection, most: int, not_before: str) -> int:
    """Delete some of the oldest changes that are too many or too old; give how many."""
    floor, last = ends(connection)
    until = min(last, floor + PRUNED_AT_ONCE)
    young = connection.execute(YOUNG, (until, not_before)).get
    keep_from = until if young is None else young - 1
    reached = max(keep_from, min(until, last - most))
    if reached <= floor:
        return 0
    connection.execute(PRUNE, (reached,))
    connection.execute(RAISE_FLOOR, (reached,))
    return reached - floor


def _resync(since: int, floor: int, last: int) -> ResyncRequired:
    why = f"Changes up to {floor} are not kept any more" if since < floor else f"The newest change is {last}"
    return ResyncRequired(f"{why}; read your collections again, then go on from {last}.", first=floor, last=last)
