from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from bunbase.pkg.db.database import Database, open_database


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """Yield a database with the tables of the usage ledger (those of the room Functions)."""
    async with open_database(database_url, "functions", "bunbase.functions.migrations") as database:
        yield database
