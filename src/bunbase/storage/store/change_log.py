"""The change log of a project: one row for each change of an object, which the transaction of the change writes.

`seq` is the number of a change. The numbers grow with the clock: a change gets the next number, or the time in
microseconds if that is greater. So a file that was restored from a backup continues with numbers that it has never used
before, and a reader that was ahead of the restored log misses nothing that happens later. `change_log.floor` is the
highest deleted number.

A clone of a project is a copy of its file. `begin_log` empties the log of such a copy: the changes of the original must
not run the functions of the clone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal

import apsw

from bunbase.contracts.bundoc.problems import ResyncRequired
from bunbase.contracts.object_changes import ObjectChange, ObjectChanges
from bunbase.pkg.clock import rfc3339

TABLES: Final = """
CREATE TABLE changes (                     -- what happened to objects, oldest first
    seq INTEGER PRIMARY KEY,
    op TEXT NOT NULL,                      -- create, update or delete
    bucket TEXT NOT NULL,                  -- the name, because the bucket may be deleted later
    key BLOB NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    content_type TEXT NOT NULL,
    owner TEXT,
    at INTEGER NOT NULL,
    depth INTEGER NOT NULL                 -- the number of triggered function runs in a row that led to the change
) STRICT;
CREATE TABLE change_log (                  -- one row
    floor INTEGER NOT NULL,
    project TEXT NOT NULL                  -- the project whose changes these are; empty before the file was opened
) STRICT;
INSERT INTO change_log VALUES (0, '');
"""

Op = Literal["create", "update", "delete"]

NUMBERS_PER_MS: Final = 1000
PRUNED_AT_ONCE: Final = 1000  # the rows of one transaction, which takes some milliseconds

COLUMNS: Final = "seq, op, bucket, key, size, etag, content_type, owner, at, depth"
ENDS: Final = "SELECT floor, coalesce((SELECT max(seq) FROM changes), floor) FROM change_log"
APPEND: Final = """
INSERT INTO changes (seq, op, bucket, key, size, etag, content_type, owner, at, depth)
SELECT ?, ?, (SELECT name FROM buckets WHERE id = ?), ?, ?, ?, ?, ?, ?, ?"""
SINCE: Final = f"SELECT {COLUMNS} FROM changes WHERE seq > ? ORDER BY seq LIMIT ?"
SURPLUS: Final = "SELECT seq FROM changes ORDER BY seq DESC LIMIT 1 OFFSET ?"
OLDEST: Final = "SELECT seq, at FROM changes ORDER BY seq LIMIT ?"


def begin_log(connection: apsw.Connection, project: str) -> None:
    """Make the log that of `project`. If the file is a copy from another project, delete the changes of that project.
    Idempotent.
    """
    if connection.execute("SELECT project FROM change_log").get == project:
        return
    with connection:
        _, last = ends(connection)
        connection.execute("DELETE FROM changes")
        connection.execute("UPDATE change_log SET floor = ?, project = ?", (last, project))


def append(connection: apsw.Connection, op: Op, changed: Any, now: int, depth: int) -> None:
    """Log a change, as part of the caller's transaction. `changed`: the ObjectRow after the change, or of the object
    that was deleted.
    """
    _, last = ends(connection)
    seq = max(last + 1, now * NUMBERS_PER_MS)
    place = (changed.bucket, changed.key)
    connection.execute(
        APPEND, (seq, op, *place, changed.size, changed.etag, changed.content_type, changed.owner, now, depth)
    )


def ends(connection: apsw.Connection) -> tuple[int, int]:
    """Return the highest deleted number, and the number of the newest change."""
    floor, last = connection.execute(ENDS).get
    return floor, last


def changes_since(connection: apsw.Connection, since: int, limit: int) -> ObjectChanges:
    """Return at most `limit` changes after `since`. Raises: ResyncRequired."""
    with connection:  # both statements need the same snapshot, because rows that are deleted in between look like a gap
        floor, last = ends(connection)
        check_position(since, floor, last)
        items = tuple([_change(*row) for row in connection.execute(SINCE, (since, limit))])
    return ObjectChanges(items, items[-1].seq if items else since)


def check_position(since: int, floor: int, last: int) -> None:
    """Raises: ResyncRequired if the log no longer has, or never had, the change `since`."""
    if not floor <= since <= last:
        why = f"Changes up to {floor} are no longer available" if since < floor else f"The newest change is {last}"
        raise ResyncRequired(f"{why}; list your buckets again, then continue from {last}.", first=floor, last=last)


def is_due(connection: apsw.Connection, most: int, not_before: int) -> bool:
    """True if the log has more than `most` changes, or a change before the time `not_before`."""
    oldest = connection.execute(OLDEST, (1,)).fetchone()
    return oldest is not None and (oldest[1] < not_before or connection.execute(SURPLUS, (most,)).get is not None)


def prune(connection: apsw.Connection, most: int, not_before: int) -> int:
    """Delete some of the oldest changes if there are more than `most`, or if they are older than `not_before`. Return
    the number of deleted changes.
    """
    surplus = connection.execute(SURPLUS, (most,)).get
    reached = deleted = 0
    for seq, at in connection.execute(OLDEST, (PRUNED_AT_ONCE,)):
        if at >= not_before and (surplus is None or seq > surplus):
            break
        reached, deleted = seq, deleted + 1
    if deleted:
        connection.execute("DELETE FROM changes WHERE seq <= ?", (reached,))
        connection.execute("UPDATE change_log SET floor = ?", (reached,))
    return deleted


def _change(
    seq: int,
    op: Op,
    bucket: str,
    key: bytes,
    size: int,
    etag: str,
    content_type: str,
    owner: str | None,
    at: int,
    depth: int,
) -> ObjectChange:
    when = rfc3339(datetime.fromtimestamp(at / 1000, UTC))
    return ObjectChange(seq, op, bucket, key.decode(), size, etag, content_type, owner, when, depth)
