"""One database for all tests of a module: each test makes its own accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest_asyncio

from bunbase.pkg.ids import new_id


@pytest_asyncio.fixture(scope="module")
async def database_url_of_module(postgres: str) -> AsyncIterator[str]:
    """Yield the URL of an empty database, which is dropped after the tests of the module."""
    name = new_id("test")
    admin = await asyncpg.connect(postgres)
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 STRATEGY file_copy')
        yield urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()
