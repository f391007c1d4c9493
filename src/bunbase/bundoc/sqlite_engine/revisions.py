"""Which revisions were given: none is given twice for an id of a collection, whatever became of its documents.

A stored document carries its own last revision. Of a deleted one `ended` keeps it, for the last MOST_ENDED deletions
of the project; what is older is folded into a floor of its collection: a new document there begins above it. A dropped
collection leaves its floor behind. `revisions.floor` holds for every document of the project, also for those that are
stored: a restore raises it above all that the file it replaced had given.

No revision is greater than that floor and the newest number of the change log together, since each one that is given
takes a number: `spent` is what a restore needs to know of a file.
"""

from __future__ import annotations

from typing import Any, Final

import apsw

from bunbase.bundoc.sqlite_engine.change_log import ends

KEEPS_REVISIONS: Final = 7  # the first format that gives no revision twice
MOST_ENDED: Final = 100_000  # about 10 MB
MOST_FLOORS: Final = 10_000  # names of collections; beyond, those that were dropped share the project's floor
FOLDED_AT_ONCE: Final = 1000  # some milliseconds of the writer; twice as many as were added, if that is more

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
JOIN collections AS c ON c.id = e.collection GROUP BY c.name"""  # of a dropped one the floor is raised already
FOLD: Final = "DELETE FROM ended WHERE n <= ?"


class Revisions:
    """The writer's memory of these tables. After a rollback it may believe that more was given than was: then a
    revision is left out. It never believes less, and what it writes never depends on what it believes.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self.floor: int = connection.execute(FLOOR).get
        self.floors = _floors(connection)
        numbers: list[Any] = connection.execute(WITH_ENDED).fetchall()
        self.with_ended: set[int] = {number for (number,) in numbers}
        self.grown = 0  # rows that the transaction has added

    def last(self, connection: apsw.Connection, collection: str, number: int | None, id: str) -> int:
        """Return the last revision that a missing document may have had, 0 if there never was one.

        `number`: of the collection, None if there is none of this name.
        """
        last = max(self.floor, self.floors.get(collection, 0))
        if number in self.with_ended:  # elsewhere nothing is looked up: that is nearly every creation
            last = max(last, connection.execute(LAST, (number, id)).get or 0)
        return last

    def end(self, connection: apsw.Connection, number: int, id: str, rev: int) -> None:
        """Remember the last revision of a document that is deleted."""
        connection.execute(END, (number, id, rev))
        self.with_ended.add(number)
        self.grown += 1

    def revive(self, connection: apsw.Connection, number: int, id: str) -> None:
        """The document is stored again, and carries its revision itself."""
        if number in self.with_ended:
            connection.execute(REVIVE, (number, id))

    def raise_floor(self, connection: apsw.Connection, collection: str, rev: int) -> None:
        """Let new documents of the collection, or of a later one of its name, begin above `rev`."""
        if not rev:
            return
        self.floors[collection] = connection.execute(RAISE_ONE, (collection, rev)).get
        if len(self.floors) > MOST_FLOORS:
            self._share_floors(connection)

    def drop(self, connection: apsw.Connection, collection: str, number: int) -> None:
        """The collection goes; what is left of it in `ended` is folded like all else."""
        self.raise_floor(connection, collection, connection.execute(HIGHEST_ENDED, (number,)).get)

    def fold(self, connection: apsw.Connection) -> None:
        """Keep `ended` within its bound; to be called at the end of each transaction."""
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
    """Return a number that no revision given in this file is greater than."""
    return int(connection.execute(FLOOR).get) + ends(connection)[1]


def raise_above(connection: apsw.Connection, rev: int) -> None:
    """Let every revision that is given from now on be greater than `rev`."""
    connection.execute(RAISE, (rev,))
