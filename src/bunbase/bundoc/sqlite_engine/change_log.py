"""The change log of a project. The log numbers all changes of documents in the order of the commits, without gaps.

The transaction of a change writes its row. `seq` is the number of the change, and the key of the row. `log.floor` is
the highest deleted number, so that the numbers continue even after all rows were deleted. `log.epoch` is a random name
of this history. A restore gives the file a new epoch, because a number then no longer means the same state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import apsw

from bunbase.bundoc.engine import Logged
from bunbase.bundoc.sqlite_engine import before_images
from bunbase.contracts.bundoc.documents import ChangeEntry, Changes
from bunbase.contracts.bundoc.problems import ResyncRequired

Row = tuple[int, str, str, str, int, str, int]  # The columns are seq, op, collection, id, rev, at and depth.

PRUNED_AT_ONCE: Final = 1000  # One deletion removes at most this many rows, which takes the writer some milliseconds.
PAGE_BYTES: Final = 256 << 10  # The images in one page have about this size, because the event loop reads them.

# This is the log of format 2. An older file gets this log first, and then the changes of later formats.
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

ADD_EPOCH: Final = "ALTER TABLE log ADD COLUMN epoch TEXT NOT NULL DEFAULT ''"
BEGIN_EPOCH: Final = "UPDATE log SET epoch = lower(hex(randomblob(6)))"

POSITION: Final = "SELECT epoch, coalesce((SELECT max(seq) FROM changes), floor) FROM log"
ENDS: Final = "SELECT floor, coalesce((SELECT max(seq) FROM changes), floor) FROM log"
APPEND: Final = "INSERT INTO changes (seq, op, collection, id, rev, at, depth) VALUES (?, ?, ?, ?, ?, ?, ?)"
SINCE: Final = """
SELECT c.seq, c.op, c.collection, c.id, c.rev, c.at, c.depth, i.body FROM changes AS c
LEFT JOIN before_images AS i ON i.seq = c.seq WHERE c.seq > ? ORDER BY c.seq LIMIT ?"""
CHANGED: Final = "SELECT seq, collection, id FROM changes WHERE seq > ? ORDER BY seq"
YOUNG: Final = "SELECT seq FROM changes WHERE seq <= ? AND at >= ? ORDER BY seq LIMIT 1"
OLDEST: Final = "SELECT at FROM changes ORDER BY seq LIMIT 1"
PRUNE: Final = "DELETE FROM changes WHERE seq <= ?"
RAISE_FLOOR: Final = "UPDATE log SET floor = ?"


def ends(connection: apsw.Connection) -> tuple[int, int]:
    """Return the highest deleted number, and the number of the newest change."""
    floor, last = connection.execute(ENDS).get
    return floor, last


def position(connection: apsw.Connection) -> tuple[str, int]:
    """Return the epoch, and the number of the newest change."""
    epoch, last = connection.execute(POSITION).get
    return epoch, last


def append(connection: apsw.Connection, rows: list[Row]) -> None:
    """Append the rows of a whole batch. One statement for each write would take twice as long."""
    connection.executemany(APPEND, rows)


def changes_since(connection: apsw.Connection, since: int, limit: int) -> Changes:
    """Return at most `limit` changes after `since`, with about PAGE_BYTES of images. Raises: ResyncRequired."""
    # Both statements need the same snapshot. Otherwise, rows that are deleted in between would look like a gap.
    with connection:
        floor, last = ends(connection)
        if not floor <= since <= last:
            raise _resync(since, floor, last)
        items = tuple(_page(connection.execute(SINCE, (since, limit))))
    return Changes(items, items[-1].seq if items else since)


def logged(connection: apsw.Connection, since: int, most: int) -> Logged:
    """Return the newest changes, like `engine.Moment.logged`."""
    floor, last = ends(connection)
    since = max(since, floor, last - most)
    newest = {(collection, id): seq for seq, collection, id in connection.execute(CHANGED, (since,))}
    return Logged(since, last, newest)


def is_due(connection: apsw.Connection, most: int, not_before: str) -> bool:
    """True if the log has more than `most` changes, or a change before the time `not_before`."""
    floor, last = ends(connection)
    oldest = connection.execute(OLDEST).get
    return oldest is not None and (last - floor > most or oldest < not_before)


def prune(connection: apsw.Connection, most: int, not_before: str) -> int:
    """Delete a batch of the oldest changes if they are too many or too old. Return the number of deleted changes."""
    floor, last = ends(connection)
    until = min(last, floor + PRUNED_AT_ONCE)
    young = connection.execute(YOUNG, (until, not_before)).get
    keep_from = until if young is None else young - 1
    reached = max(keep_from, min(until, last - most))
    if reached <= floor:
        return 0
    connection.execute(PRUNE, (reached,))
    before_images.prune(connection, reached)
    connection.execute(RAISE_FLOOR, (reached,))
    return reached - floor


def _page(rows: apsw.Cursor) -> Iterator[ChangeEntry]:
    size = 0
    try:
        for row in rows:
            entry = ChangeEntry(*row)
            yield entry
            size += len(entry.before or b"")
            if size >= PAGE_BYTES:
                return
    finally:
        rows.close()  # An open cursor keeps its snapshot.


def _resync(since: int, floor: int, last: int) -> ResyncRequired:
    why = f"Changes up to {floor} are no longer available" if since < floor else f"The newest change is {last}"
    return ResyncRequired(f"{why}; read your collections again, then continue from {last}.", first=floor, last=last)
