"""Real instances of BunBase. `topologies/conftest.py` has one of each topology."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from bunbase.pkg.ids import new_id
from tests.e2e.instance import Instance


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with short_directory() as place:
        yield place


@pytest.fixture
def dev() -> Iterator[Instance]:
    """Yield a `bunbase dev` that is not started yet, for tests that start and kill it themselves."""
    with dev_instance() as instance:
        yield instance


@pytest.fixture(scope="module")
def running_dev() -> Iterator[Instance]:
    """Yield a running `bunbase dev`, for tests that do not change it.

    The server allows sign-in providers on this machine.
    """
    with dev_instance() as instance:
        instance.commands["dev"][1]["BUNBASE_TENANT_AUTH__PROVIDER_HOSTS"] = '["localhost"]'
        yield instance.start()


def dev_instance() -> AbstractContextManager[Instance]:
    return instance_of("one", "")


@contextmanager
def instance_of(topology: str, postgres: str) -> Iterator[Instance]:
    """Yield an instance that is not started yet. `postgres`: the server of an instance of several processes."""
    with short_directory() as place:
        instance = Instance(topology, place, "" if topology == "one" else new_database(postgres))
        try:
            yield instance
        finally:
            instance.close()


@contextmanager
def short_directory() -> Iterator[Path]:
    """Yield a directory with a short path, because the path of a socket may have at most 107 bytes."""
    place = Path(tempfile.mkdtemp(prefix="bb-e2e-", dir="/tmp"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def new_database(url: str) -> str:
    name = new_id("e2e")

    async def create() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    asyncio.run(create())
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
