"""Fixtures for every test: a real PostgreSQL, and a new database in it for each test that requests one."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import uvicorn.server
from argon2 import PasswordHasher
from structlog.dev import ConsoleRenderer, plain_traceback

import bunbase
from bunbase.pkg import passwords
from bunbase.pkg.db.migrations import migrate
from bunbase.pkg.ids import new_id
from bunbase.pkg.postgres.cluster import start_cluster
from tests.databases import Databases
from tests.seeds import choose_profile
from tests.work_units import WorkUnits, rank

# This variable has the URL of an existing PostgreSQL whose user may create databases.
EXTERNAL = "BUNBASE_TEST_DATABASE_URL"
MEMORY = Path("/dev/shm")  # A new database takes 5 ms here, and 80 ms on disk.
ENOUGH_BYTES = 1 << 30
EMPTY = "template0"  # This is PostgreSQL's own original.
PREFIX = "bunbase-tests-"
TRUE_HASHER = passwords.HASHER
QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # A hash takes 0.1 ms instead of 19 ms.
TICK_SECONDS = 0.01  # uvicorn sleeps for 0.1 s, so each of a thousand servers took 0.2 s to stop.

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs with SIGINT ignored. Child processes inherit this setting, so Ctrl-C could not be
    # tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)

choose_profile()  # The tests read the profile when they are imported.
# structlog without configuration shows the local variables of each frame. A test's traceback then takes 0.3 s, not 1
# ms.
ConsoleRenderer.get_active().exception_formatter = plain_traceback


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a run of several processes, start the longest files first, so that no process ends alone with one of them."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid))  # This keeps the order within each part.


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WorkUnits | None:
    return WorkUnits(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Exempt modules and collected tests from garbage collection, because each full collection would visit them all."""
    gc.collect()
    gc.freeze()
    # About every second test builds an application, so garbage is collected less often.
    gc.set_threshold(20_000, 20, 20)


def pytest_runtest_logfinish() -> None:
    """Release the web applications of the test that has ended.

    Litestar's router caches its answers in an `lru_cache` of the class, which holds the last thousand applications.
    At the end of the gateway's tests, these applications had seven million objects, and a full collection took two
    seconds.
    """
    router = sys.modules.get("litestar._asgi.asgi_router")
    if router is not None:
        router.ASGIRouter.handle_routing.cache_clear()


class QuickAsyncio:
    """The module asyncio with a `sleep` that lasts TICK_SECONDS at most."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, TICK_SECONDS))


@pytest.fixture(scope="session", autouse=True)
def servers_stop_at_once() -> Iterator[None]:
    """Make uvicorn check every 10 ms whether it should stop and whether its connections are closed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", QuickAsyncio())
        yield


@pytest.fixture(scope="session", autouse=True)
def passwords_are_hashed_quickly() -> Iterator[None]:
    """Hash passwords with a cheap argon2id. Tests of the true parameters request `true_hasher`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "HASHER", QUICK_HASHER)
        yield


@pytest.fixture
def true_hasher(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hash passwords as a server does."""
    monkeypatch.setattr(passwords, "HASHER", TRUE_HASHER)
    passwords.decoy.cache_clear()
    yield
    passwords.decoy.cache_clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Yield the URL of a PostgreSQL that runs until the last test of this process has ended."""
    external = os.environ.get(EXTERNAL)
    if external:
        yield external
        return
    sweep()
    home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=roomy()))
    try:
        cluster = start_cluster(home, durable=False)
        try:
            yield cluster.url
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="session")
async def filled(postgres: str) -> AsyncIterator[str]:
    """Yield the name of a database with the tables of all rooms.

    A copy takes 10 ms of processor time, and the migrations of BunAuth take 50 ms. There are a thousand such tests.
    """
    async with new_database(postgres, EMPTY) as url:
        for folder in Path(bunbase.__file__).parent.glob("*/migrations"):
            room = folder.parent.name
            await migrate(url, room, f"bunbase.{room}.migrations")
        yield urlsplit(url).path[1:]


@pytest.fixture(scope="session")
async def databases(postgres: str, filled: str) -> AsyncIterator[Databases]:
    databases = Databases(postgres, filled)
    yield databases
    await databases.close()


@pytest.fixture
async def database_url(databases: Databases) -> AsyncIterator[str]:
    """Yield the URL of a database with the tables of all rooms and no rows.

    The name of the database is not used again.
    """
    name = await databases.take()
    yield databases.url(name)
    await databases.give_back(name)


@pytest.fixture
async def empty_database_url(postgres: str) -> AsyncIterator[str]:
    """Yield the URL of a database without tables, for tests of migrations. The database is dropped after the test."""
    async with new_database(postgres, EMPTY) as url:
        yield url


@asynccontextmanager
async def new_database(postgres: str, original: str) -> AsyncIterator[str]:
    """Yield the URL of a copy of the database `original`, which is dropped after the block."""
    name = new_id("test")
    admin = await asyncpg.connect(postgres)
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{original}" STRATEGY file_copy')
        yield urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


def roomy() -> Path:
    """Return a directory in memory if that is large enough (containers often have 64 MB), else /tmp.

    The path is short, because the path of a socket has at most 107 bytes.
    """
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        return MEMORY
    return Path("/tmp")


def sweep() -> None:
    """Remove the files of test runs that were killed, because they would take memory until the next boot."""
    for left in roomy().glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)
