"""The revisions that a project has given: none is given twice for an id of a collection (docs/decisions/0033).

A stored document carries its own last revision. For the last MOST_ENDED deletions of the project, the table `ended`
keeps the last revision of the deleted document. Older rows of it are folded into the floor of their collection: a new
document there begins above the floor. A dropped collection leaves its floor behind. `revisions.floor` holds for every
document of the project, stored ones too: a restore raises it above all revisions that the replaced file had given.

Each revision that is given takes a number of the change log. So no revision is greater than the sum of
`revisions.floor` and the newest number of the log. `spent` returns this sum; a restore needs it.
"""

from __future__ import annotations

from typing import Any, Final

import apsw

from bunbase.bundoc.sqlite_engine.change_log import ends

KEEPS_REVISIONS: Final = 7  # the first format that gives no revision twice
MOST_ENDED: Final = 100_000  # about 10 MB
MOST_FLOORS: Final = 10_000  # names of collections; if there are more, dropped ones share the project's floor
FOLDED_AT_ONCE: Final = 1000  # takes the writer some milliseconds; or twice as many as were added, if that is more

CREATE_REVISIONS: Final = """
CREATE TABLE revisions (floor INTEGER NOT NULL);
INSERT INTO revisions (floor) VALUES (0);
CREATE TABLE floors (collection TEXT PRIMARY KEY, rev INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE ended (
    n INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    rev INTEGER NOT NULL,
    UNIQUE (collection, id)
);"""

FLOOR: Final = "SELECT floor FROM revisions"
RAISE: Final = "UPDATE revisions SET floor = max(floor, ?)"
FLOORS: Final = "SELECT collection, rev FROM floors"
RAISE_ONE: Final = """
INSERT INTO floors (collection, rev) VALUES (?, ?)
ON CONFLICT (collection) DO UPDATE SET rev = max(rev, excluded.rev) RETURNING rev"""
HIGHEST_DROPPED: Final = """
SELECT coalesce(max(rev), 0) FROM floors WHERE collection NOT IN (SELECT name FROM collections)"""
FORGET_DROPPED: Final = "DELETE FROM floors WHERE collection NOT IN (SELECT name FROM collections)"

WITH_ENDED: Final = "SELECT id FROM collections AS c WHERE EXISTS (SELECT 1 FROM ended WHERE collection = c.id)"
LAST: Final = "SELECT rev FROM ended WHERE collection = ? AND id = ?"
END: Final = "INSERT OR REPLACE INTO ended (collection, id, rev) VALUES (?, ?, ?)"
REVIVE: Final = "DELETE FROM ended WHERE collection = ? AND id = ?"
HIGHEST_ENDED: Final = "SELECT coalesce(max(rev), 0) FROM ended WHERE collection = ?"
REACH: Final = "SELECT (SELECT min(n) FROM ended), (SELECT max(n) FROM ended)"
OLDEST: Final = """
SELECT c.name, max(e.rev) FROM (SELECT collection, rev FROM ended WHERE n <= ?) AS e
JOIN collections AS c ON c.id = e.collection GROUP BY c.name"""  # a dropped collection has its floor already
FOLD: Final = "DELETE FROM ended WHERE n <= ?"


class Revisions:
    """The writer's copy of these tables in memory.

    After a rollback, the copy may hold greater revisions than the tables: then a revision is skipped. It never holds
    smaller ones. The tables are never written from the copy.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self.floor: int = connection.execute(FLOOR).get
        self.floors = _floors(connection)
        numbers: list[Any] = connection.execute(WITH_ENDED).fetchall()
        self.with_ended: set[int] = {number for (number,) in numbers}
        self.grown = 0  # rows of `ended` that the present transaction has added

    def last(self, connection: apsw.Connection, collection: str, number: int | None, id: str) -> int:
        """Return the last revision that a missing document may have had, 0 if there never was one.

        `number`: of the collection, None if no collection has this name.
        """
        last = max(self.floor, self.floors.get(collection, 0))
        if number in self.with_ended:  # without it, nothing is looked up: that is nearly every creation
            last = max(last, connection.execute(LAST, (number, id)).get or 0)
        return last

    def end(self, connection: apsw.Connection, number: int, id: str, rev: int) -> None:
        """Remember the last revision of a document that is deleted."""
        connection.execute(END, (number, id, rev))
        self.with_ended.add(number)
        self.grown += 1

    def revive(self, connection: apsw.Connection, number: int, id: str) -> None:
        """Forget the revision of a deleted document: it is stored again, and carries its revision itself."""
        if number in self.with_ended:
            connection.execute(REVIVE, (number, id))

    def raise_floor(self, connection: apsw.Connection, collection: str, rev: int) -> None:
        """Let new documents of the collection, or of a later collection of this name, begin above `rev`."""
        if not rev:
            return
        self.floors[collection] = connection.execute(RAISE_ONE, (collection, rev)).get
        if len(self.floors) > MOST_FLOORS:
            self._share_floors(connection)

    def drop(self, connection: apsw.Connection, collection: str, number: int) -> None:
        """Keep the floor of a collection that is dropped. Its rows in `ended` are folded later, as all others."""
        self.raise_floor(connection, collection, connection.execute(HIGHEST_ENDED, (number,)).get)

    def fold(self, connection: apsw.Connection) -> None:
        """Keep `ended` within its bound. Call it at the end of each transaction."""
        grown, self.grown = self.grown, 0
        if not grown:
            return
        oldest, newest = connection.execute(REACH).get
        if oldest is None or newest - oldest < MOST_ENDED:
            return
        until = min(newest - MOST_ENDED, oldest + max(FOLDED_AT_ONCE, 2 * grown))
        folded: list[Any] = connection.execute(OLDEST, (until,)).fetchall()
        for collection, rev in folded:
            self.raise_floor(connection, collection, rev)
        connection.execute(FOLD, (until,))

    def _share_floors(self, connection: apsw.Connection) -> None:
        connection.execute(RAISE, (connection.execute(HIGHEST_DROPPED).get,))
        connection.execute(FORGET_DROPPED)
        self.floor = max(self.floor, connection.execute(FLOOR).get)
        self.floors = _floors(connection)


def _floors(connection: apsw.Connection) -> dict[str, int]:
    rows: list[Any] = connection.execute(FLOORS).fetchall()
    return dict(rows)


def spent(connection: apsw.Connection) -> int:
    """Return a number that is at least as great as every revision given in this file."""
    return int(connection.execute(FLOOR).get) + ends(connection)[1]


def raise_above(connection: apsw.Connection, rev: int) -> None:
    """Let every later revision be greater than `rev`."""
    connection.execute(RAISE, (rev,))
