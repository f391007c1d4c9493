"""Credentials that are revoked while a body arrives: the upload is not stored, and an import ends."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.revocations import RevokedKind
from bunbase.contracts.storage import BucketRules, NewBucket, ObjectNotFound
from bunbase.pkg import line_streams
from bunbase.pkg.modules import Rooms
from bunbase.storage.module import MODULE
from bunbase.storage.service import StorageService
from bunbase.storage.settings import StorageSettings
from tests.fakes import FakeKms
from tests.gateway.lanes import Connection, Served, served
from tests.gateway.others import BAKERY, PUBLISHABLE, SERVERS
from tests.rooms import opened, secret_caller, site
from tests.storage.room import read

OWN = secret_caller(BAKERY)
TUS = "tus-resumable: 1.0.0"
WAIT_SECONDS = 10.0


class Files:
    def __init__(self, at: Served, storage: StorageService) -> None:
        self.at = at
        self.storage = storage
        self.user = f"authorization: Bearer {at.tenant_auth.token()}"

    async def begun(self, connection: Connection, way: str, *headers: str) -> None:
        """Send the head of a request and half of its body, and wait until the server has begun the upload."""
        line: str
        more: tuple[str, ...]
        if way == "plain":
            line, more = "PUT /v1/storage/objects/files/a", ("content-length: 10",)
        else:
            line, more = (
                f"PATCH {await self._resumable(*headers)}",
                (
                    "content-length: 10",
                    TUS,
                    "upload-offset: 0",
                    "content-type: application/offset+octet-stream",
                ),
            )
        head = "\r\n".join([f"{line} HTTP/1.1", "host: test", *headers, *more])
        connection.send(head.encode() + b"\r\n\r\n01234")
        await eventually(lambda: bool(self.storage.uploads.running or self.storage.resumables.chunks))

    async def _resumable(self, *headers: str) -> str:
        named = [(b"bucket", b"files"), (b"key", b"a")]
        metadata = ",".join([f"{name.decode()} {base64.b64encode(value).decode()}" for name, value in named])
        async with self.at.connected() as connection:
            reply = await connection.ask(
                "POST /v1/storage/tus", *headers, TUS, "upload-length: 10", f"upload-metadata: {metadata}"
            )
        assert reply.status == 201, reply
        return dict(reply.headers)["location"]

    async def revoke_key(self) -> None:
        holder = self.at.platform.holders.pop(SERVERS)
        self.at.platform.tell(RevokedKind.KEY, holder.key_id)
        await self._refused(f"x-bunbase-key: {SERVERS}")

    async def end_session(self) -> None:
        self.at.tenant_auth.ended.add("ses_u")
        self.at.tenant_auth.tell(RevokedKind.SESSION, "ses_u")
        await self._refused(f"x-bunbase-key: {PUBLISHABLE}", self.user)

    async def _refused(self, *headers: str) -> None:
        """Wait until the gateway knows of the revocation."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                async with self.at.connected() as connection:
                    if (await connection.ask("GET /v1/storage/list/files", *headers)).status == 401:
                        return
                await asyncio.sleep(0.02)


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    rooms = Rooms({Kms: FakeKms(), Bundoc: None})
    opening = opened(MODULE, rooms, site(tmp_path), settings=StorageSettings(min_free_mib=0))
    async with opening as storage, served(tmp_path, storage=storage) as at:
        rules = BucketRules(list="true", get="true", create="true", update="true")
        await storage.create_bucket(OWN, NewBucket(name="files", rules=rules))
        yield Files(at, storage)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


Revoke = Callable[[Files], Awaitable[None]]


@pytest.mark.parametrize("way", ["plain", "resumable"])
@pytest.mark.parametrize("revoke", [Files.revoke_key, Files.end_session], ids=["key", "session"])
async def test_an_upload_of_revoked_credentials_is_not_stored(files: Files, way: str, revoke: Revoke) -> None:
    of_user = revoke is Files.end_session
    credentials = (f"x-bunbase-key: {PUBLISHABLE}", files.user) if of_user else (f"x-bunbase-key: {SERVERS}",)
    async with files.at.connected() as connection:
        await files.begun(connection, way, *credentials)

        await revoke(files)
        connection.send(b"56789")
        reply = await connection.reply()

    assert reply.status == 401
    with pytest.raises(ObjectNotFound):
        await read(files.storage, "a", OWN)
    await eventually(lambda: not files.storage.uploads.running and not files.storage.resumables.chunks)


@pytest.mark.parametrize("way", ["plain", "resumable"])
async def test_an_upload_of_valid_credentials_is_stored(files: Files, way: str) -> None:
    async with files.at.connected() as connection:
        await files.begun(connection, way, f"x-bunbase-key: {PUBLISHABLE}", files.user)
        connection.send(b"56789")
        reply = await connection.reply()

    assert reply.status in (201, 204)
    assert await read(files.storage, "a", OWN) == b"0123456789"


async def test_an_import_ends_when_its_key_is_revoked(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_streams, "CHECK_SECONDS", 0.0)
    head: Any = "POST /v1/import?collection=posts HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-ndjson\r\n"
    async with files.at.connected() as connection:
        connection.send(f"{head}x-bunbase-key: {SERVERS}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        connection.send(b'b\r\n{"_id":"a"}\r\n')

        await files.revoke_key()
        connection.send(b'c\r\n\n{"_id":"b"}\r\n')
        reply = await connection.reply()

    assert (reply.status, b'"code":"invalid_key"' in reply.body) == (401, True)
