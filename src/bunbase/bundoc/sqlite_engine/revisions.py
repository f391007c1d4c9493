"""The revisions that a project has used. No revision is used twice for an id of a collection (docs/decisions/0033).

A stored document contains its last revision. For the last MOST_ENDED deletions of the project, the table `ended` keeps
the last revision of the deleted document. The revisions in older rows raise the floor of their collection: new
documents of the collection begin above its floor. The floor of a dropped collection stays stored. `revisions.floor`
applies to all documents of the project, also to stored ones: a restore raises it above all revisions of the replaced
file.

Each new revision takes a number of the change log. So no revision is higher than the sum of `revisions.floor` and the
newest number of the log. `spent` returns this sum; a restore needs it.
"""

from __future__ import annotations

from typing import Any, Final

import apsw

from bunbase.bundoc.sqlite_engine.change_log import ends

KEEPS_REVISIONS: Final = 7  # This is the first format in which no id uses a revision twice.
MOST_ENDED: Final = 100_000  # The table `ended` has at most this many rows, about 10 MB.
MOST_FLOORS: Final = 10_000  # If there are more floors, dropped collections share the floor of the project.
# At most this many rows are deleted at once, which takes milliseconds. The limit is twice the number of added rows if
# this number is higher.
FOLDED_AT_ONCE: Final = 1000

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
JOIN collections AS c ON c.id = e.collection GROUP BY c.name"""  # The floor of a dropped collection is already stored.
FOLD: Final = "DELETE FROM ended WHERE n <= ?"


class Revisions:
    """The writer's copy of the tables of revisions, in memory.

    After a rollback, the copy may have higher revisions than the tables, and then some revisions are skipped. The copy
    never has lower revisions. The tables are never written from the copy.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self.floor: int = connection.execute(FLOOR).get
        self.floors = _floors(connection)
        numbers: list[Any] = connection.execute(WITH_ENDED).fetchall()
        self.with_ended: set[int] = {number for (number,) in numbers}
        self.grown = 0  # The present transaction has added this many rows to `ended`.

    def last(self, connection: apsw.Connection, collection: str, number: int | None, id: str) -> int:
        """Return the last revision that a missing document may have had, 0 if it never existed.

        `number`: the number of the collection, None if the collection does not exist.
        """
        last = max(self.floor, self.floors.get(collection, 0))
        if number in self.with_ended:  # For nearly all new documents, `with_ended` makes the look-up unnecessary.
            last = max(last, connection.execute(LAST, (number, id)).get or 0)
        return last

    def end(self, connection: apsw.Connection, number: int, id: str, rev: int) -> None:
        """Store the last revision of a document that is deleted."""
        connection.execute(END, (number, id, rev))
        self.with_ended.add(number)
        self.grown += 1

    def revive(self, connection: apsw.Connection, number: int, id: str) -> None:
        """Delete the stored revision of a deleted document when a document with its id is stored again."""
        if number in self.with_ended:
            connection.execute(REVIVE, (number, id))

    def raise_floor(self, connection: apsw.Connection, collection: str, rev: int) -> None:
        """Make new documents of the collection, or of a later collection with the same name, begin above `rev`."""
        if not rev:
            return
        self.floors[collection] = connection.execute(RAISE_ONE, (collection, rev)).get
        if len(self.floors) > MOST_FLOORS:
            self._share_floors(connection)

    def drop(self, connection: apsw.Connection, collection: str, number: int) -> None:
        """Keep the floor of a dropped collection. `fold` later deletes its rows in `ended`."""
        self.raise_floor(connection, collection, connection.execute(HIGHEST_ENDED, (number,)).get)

    def fold(self, connection: apsw.Connection) -> None:
        """Delete old rows of `ended` if there are too many. Call this at the end of each transaction."""
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
    """Return a number that is not lower than any revision in this file."""
    return int(connection.execute(FLOOR).get) + ends(connection)[1]


def raise_above(connection: apsw.Connection, rev: int) -> None:
    """Make all later revisions higher than `rev`."""
    connection.execute(RAISE, (rev,))
