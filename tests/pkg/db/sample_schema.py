"""Create a schema for the tests of pkg.db without migration files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

from bunbase.pkg.db import database as database_module
from bunbase.pkg.db.database import Database, open_database
from bunbase.pkg.db.migrations import Migration, apply_migrations


@asynccontextmanager
async def opened_database(url: str, sql: str) -> AsyncIterator[Database]:
    """Create the schema `room` with the statements of `sql`, and yield it opened."""

    async def migrate(url: str, schema: str, _package: str) -> None:
        await apply_migrations(url, schema, [Migration(1, "0001_all.sql", sql)])

    with patch.object(database_module, "migrate", migrate):
        opening = open_database(url, "room", "none")
        db = await opening.__aenter__()
    try:
        yield db
    finally:
        await opening.__aexit__(None, None, None)
