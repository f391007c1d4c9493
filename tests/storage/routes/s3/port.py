"""The S3 port on a socket, with Storage in this process and two credentials, for tests with boto3 and raw HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from bunbase.contracts.acts import Act
from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import InvalidKey
from bunbase.contracts.s3_credentials import S3Holder
from bunbase.pkg.serve import listen, serving
from bunbase.storage.routes.s3.app import S3App
from bunbase.storage.service import StorageService
from tests.fakes import FakeKms
from tests.storage.room import opened_storage

SECRET = "the secret of these few tests"
WRITER = S3Holder("BBAKWRITER", "prj_a", SECRET, "write", ())
READER = S3Holder("BBAKREADER", "prj_a", SECRET, "read", ())
OTHER = S3Holder("BBAKOTHER", "prj_b", SECRET, "write", ())
ONE_BUCKET = S3Holder("BBAKONE", "prj_a", SECRET, "write", ("photos",))
BASE_HOST = "s3.test"

T = TypeVar("T")


class FakeDoor:
    """`audited`: the acts that were begun, with the status of their ends."""

    def __init__(self) -> None:
        self.holders = {one.access_key_id: one for one in (WRITER, READER, OTHER, ONE_BUCKET)}
        self.audited: list[tuple[str, str, int]] = []

    async def holder(self, access_key_id: str, address: str) -> S3Holder:
        if access_key_id not in self.holders:
            raise InvalidKey("This credential for S3 is unknown or was deleted.")
        return self.holders[access_key_id]

    def address(self, scope: Any) -> str:
        return str(scope["client"][0])

    async def begin_act(self, caller: Caller, act: Act, target: str) -> str:
        self.audited.append((act.value, target, 0))
        return str(len(self.audited) - 1)

    async def end_act(self, id: str, status: int) -> None:
        act, target, _ = self.audited[int(id)]
        self.audited[int(id)] = act, target, status


class Port:
    def __init__(self, url: str, door: FakeDoor, service: StorageService) -> None:
        self.url = url
        self.door = door
        self.service = service
        self.loop = asyncio.get_running_loop()
        self.clients: dict[tuple[Any, ...], Any] = {}

    def wait(self, call: Coroutine[Any, Any, T]) -> T:
        """Return the result of a call of the service, from the thread of the tests."""
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(30)

    def client(self, holder: S3Holder = WRITER, **config: Any) -> Any:
        """Return a client of boto3. Equal clients are shared, because making one takes 30 ms."""
        wanted = holder, tuple(sorted(config.items()))
        if wanted not in self.clients:
            self.clients[wanted] = self.new_client(holder, **config)
        return self.clients[wanted]

    def new_client(self, holder: S3Holder = WRITER, style: str = "path", **config: Any) -> Any:
        """Return a client that the test may change."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=holder.access_key_id,
            aws_secret_access_key=holder.secret,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": style}, retries={"total_max_attempts": 1}, **config),
        )


@asynccontextmanager
async def opened_port(directory: Path) -> AsyncIterator[Port]:
    door = FakeDoor()
    async with opened_storage(directory, FakeKms()) as service:
        app = S3App(service, door, BASE_HOST)
        with listen("127.0.0.1", 0) as listener:
            async with serving(app, listener) as url:
                yield Port(url, door, service)


@contextmanager
def running_port(directory: Path) -> Iterator[Port]:
    """Run the port in a thread, because boto3 blocks."""
    ready: list[Port] = []
    begun, ended = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with opened_port(directory) as port:
            ready.append(port)
            begun.set()
            await ended.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait(30)
    try:
        yield ready[0]
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join(30)
