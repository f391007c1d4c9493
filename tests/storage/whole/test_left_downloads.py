"""A download ends when its client leaves: the rest of the object is not read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.storage import NewBucket
from bunbase.pkg.modules import Rooms
from bunbase.storage.acts.downloads import Downloads
from bunbase.storage.module import MODULE
from bunbase.storage.settings import StorageSettings
from tests.fakes import FakeKms
from tests.gateway.lanes import served
from tests.gateway.others import BAKERY, SERVERS
from tests.rooms import opened, secret_caller, site
from tests.storage.room import put

SIZE = 64 << 20
BUFFERED = 24 << 20  # more than the kernel holds for one connection
END_SECONDS = 30.0


async def test_the_rest_of_an_object_is_not_read_for_a_client_that_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    ended = asyncio.Event()
    pieces = Downloads.pieces

    async def counted(*args: Any) -> AsyncGenerator[bytes, None]:
        found = pieces(*args)
        try:
            async for piece in found:
                sizes.append(len(piece))
                yield piece
        finally:
            ended.set()
            await found.aclose()

    rooms = Rooms({Kms: FakeKms(), Bundoc: None})
    opening = opened(MODULE, rooms, site(tmp_path), settings=StorageSettings(min_free_mib=0))
    async with opening as storage, served(tmp_path, storage=storage) as at:
        own = secret_caller(BAKERY)
        await storage.create_bucket(own, NewBucket(name="files"))
        await put(storage, "a", bytes(SIZE), own)
        monkeypatch.setattr(Downloads, "pieces", counted)
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, at.address)
            head = f"GET /v1/storage/objects/files/a HTTP/1.1\r\nhost: x\r\nx-bunbase-key: {SERVERS}\r\n\r\n"
            await loop.sock_sendall(connection, head.encode())
            first = await loop.sock_recv(connection, 100)

        async with asyncio.timeout(END_SECONDS):
            await ended.wait()

    assert first.startswith(b"HTTP/1.1 200")
    assert 0 < sum(sizes) < BUFFERED
