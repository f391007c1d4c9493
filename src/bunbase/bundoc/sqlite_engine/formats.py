"""Bring the file of an older BunBase to today's format. Each format is one step; one transaction does all steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import apsw

from bunbase.bundoc.sqlite_engine.before_images import CREATE_BEFORE_IMAGES
from bunbase.bundoc.sqlite_engine.change_log import ADD_DEPTH, ADD_EPOCH, BEGIN_EPOCH, CREATE_LOG
from bunbase.bundoc.sqlite_engine.index_tables import CREATE_BUILDS, CREATE_LIST
from bunbase.bundoc.sqlite_engine.kept_answers import CREATE_KEPT_ANSWERS
from bunbase.bundoc.sqlite_engine.mending import mend
from bunbase.bundoc.sqlite_engine.tables import CREATE_COLLECTIONS, FORMAT, format_of

# The first document creates its collection, so a file with documents has collections.
OF_ANY_DOCUMENT: Final = "SELECT count(*) FROM collections"


def bring_up(connection: apsw.Connection) -> None:
    """Do the steps that the file lacks. A file of a newer or unknown format stays as it is."""
    with connection:
        while (found := format_of(connection)) in STEPS:
            STEPS[found](connection)
            connection.pragma("user_version", found + 1)


def is_older(connection: apsw.Connection) -> bool:
    return format_of(connection) in STEPS


def _begin_change_log(connection: apsw.Connection) -> None:
    """Begin the change log.

    The log has no changes of the documents that are already in the file, so its floor is 1. A client that sends
    `since=0` must therefore read the collections first.
    """
    for _ in connection.execute(CREATE_LOG):
        pass
    if connection.execute(OF_ANY_DOCUMENT).get:
        connection.execute("UPDATE log SET floor = 1")


def _begin_indexes(connection: apsw.Connection) -> None:
    connection.execute(CREATE_LIST)


def _begin_definitions(connection: apsw.Connection) -> None:
    connection.execute("ALTER TABLE collections RENAME TO collections_before")
    connection.execute(CREATE_COLLECTIONS)
    connection.execute("INSERT INTO collections (id, name, created) SELECT id, name, created FROM collections_before")
    connection.execute("DROP TABLE collections_before")
    for (number,) in connection.execute("SELECT id FROM collections").fetchall():
        connection.execute(f"ALTER TABLE docs_{number} ADD COLUMN expires INTEGER")


def _begin_builds(connection: apsw.Connection) -> None:
    """Add the table that stores how far each index is built. The build of an incomplete index starts again."""
    connection.execute(CREATE_BUILDS)


def _begin_depths(connection: apsw.Connection) -> None:
    """Add the column for the depth of each change. Older changes get the depth 0."""
    connection.execute(ADD_DEPTH)


def _begin_kept_answers(connection: apsw.Connection) -> None:
    """Set the epoch of the history, and add the table of answers to requests with an idempotency key."""
    for statement in (ADD_EPOCH, BEGIN_EPOCH, CREATE_KEPT_ANSWERS):
        connection.execute(statement)


def _begin_before_images(connection: apsw.Connection) -> None:
    """Add the table of documents as they were before their changes."""
    for _ in connection.execute(CREATE_BEFORE_IMAGES):
        pass


STEPS: Final[dict[int, Callable[[apsw.Connection], None]]] = {
    1: _begin_change_log,
    2: _begin_indexes,
    3: _begin_definitions,
    4: _begin_builds,
    5: _begin_depths,
    6: mend,
    7: _begin_kept_answers,
    8: _begin_before_images,
}
assert max(STEPS) + 1 == FORMAT
