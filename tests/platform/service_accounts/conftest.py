"""All tests of a module share one database, because each test makes its own accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.conftest import new_database


@pytest_asyncio.fixture(scope="module")
async def database_url_of_module(postgres: str, filled: str) -> AsyncIterator[str]:
    """Yield the URL of a database with the tables of all rooms, which is dropped after the tests of the module."""
    async with new_database(postgres, filled) as url:
        yield url
