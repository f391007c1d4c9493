"""What every test can ask for: a real PostgreSQL, and in it an empty database of its own."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import uvicorn.server

from bunbase.pkg.ids import new_id
from bunbase.pkg.postgres.cluster import start_cluster
from tests.seeds import choose_profile

EXTERNAL = "BUNBASE_TEST_DATABASE_URL"  # a PostgreSQL to use instead of our own; its user may create databases
MEMORY = Path("/dev/shm")  # a new database takes 5 ms here, 80 ms on disk
ENOUGH_BYTES = 1 << 30
PREFIX = "bunbase-tests-"
TICK_SECONDS = 0.01  # of uvicorn's loop: with its own 0.1 s, each of a thousand servers took 0.2 s to stop

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # shells ignore it for what runs in the background, and every
    signal.signal(signal.SIGINT, signal.default_int_handler)  # child inherits that: Ctrl-C could not be tested

choose_profile()  # before the tests are imported: they take their settings from it


def pytest_collection_finish() -> None:
    """Take modules and collected tests out of the collector's sight: each of its full runs would visit them all."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # applications are built and dropped in every other test: fewer, longer runs


def pytest_runtest_logfinish() -> None:
    """Let go of the web applications of the test.

    Litestar's router keeps its answers in an `lru_cache` of the class, and with them the last thousand applications:
    seven million objects at the end of the gateway's tests, and a full run of the collector took two seconds.
    """
    router = sys.modules.get("litestar._asgi.asgi_router")
    if router is not None:
        router.ASGIRouter.handle_routing.cache_clear()


class QuickAsyncio:
    """The module asyncio, whose `sleep` lasts for a tick at most."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, TICK_SECONDS))


@pytest.fixture(scope="session", autouse=True)
def servers_stop_at_once() -> Iterator[None]:
    """Let uvicorn look every 10 ms whether it is to stop, and whether its connections are closed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", QuickAsyncio())
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the URL of a server that runs as long as the tests do."""
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


@pytest.fixture
async def database_url(postgres: str) -> AsyncIterator[str]:
    """Return the URL of an empty database, which is gone after the test."""
    name = new_id("test")
    admin = await asyncpg.connect(postgres)
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 STRATEGY file_copy')
        yield urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


def roomy() -> Path:
    """Give memory where there is enough of it (containers often have 64 MB); never a long path, for the socket."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        return MEMORY
    return Path("/tmp")


def sweep() -> None:
    """Remove what test runs left behind that were killed: in memory, it would cost until the next boot."""
    for left in roomy().glob(f"{PREFIX}*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)
