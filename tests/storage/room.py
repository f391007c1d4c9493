"""Storage in this process, for tests that open it again and again, and for processes that are killed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.file_usage import FileUsage
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.multipart import CompletedUpload, Completing, NamedPart, NewMultipart, NewPart, PartPlace
from bunbase.contracts.storage import NewObject, Opened, Piece, Place, Reading, Storage, WrittenObject
from bunbase.pkg.clock import Clock
from bunbase.pkg.modules import Rooms
from bunbase.pkg.usage.batches import Batch, Receipt
from bunbase.storage.module import MODULE
from bunbase.storage.service import StorageService
from bunbase.storage.settings import StorageSettings
from tests.fakes import FakeKms
from tests.rooms import opened, secret_caller, site

SECRET = secret_caller("prj_a")
SETTINGS = StorageSettings(min_free_mib=0)


class Uncounted:
    """A ledger that forgets everything."""

    async def add_file_usage(self, batch: Batch[None], sent: datetime) -> Receipt:
        return Receipt(sent, True)


@asynccontextmanager
async def opened_storage(
    directory: Path, kms: FakeKms, clock: Clock | None = None, functions: FileUsage | None = None
) -> AsyncIterator[StorageService]:
    kms.directories.clear()  # A new process of BunKMS does not know the directory yet.
    where = site(directory, clock=clock)
    rooms = Rooms({Kms: kms, Bundoc: None, Functions: functions or Uncounted()})
    async with opened(MODULE, rooms, where, settings=SETTINGS) as service:
        yield service


async def put(
    storage: Storage, key: str, content: bytes, caller: Caller = SECRET, bucket: str = "files"
) -> WrittenObject:
    upload = await storage.begin_upload(caller, Place(bucket, key), NewObject())
    for at in range(0, len(content), 1 << 19):
        await storage.feed_upload(caller, upload, content[at : at + (1 << 19)])
    return await storage.finish_upload(caller, upload)


async def put_in_parts(storage: StorageService, key: str, content: bytes) -> CompletedUpload:
    """Upload the content in three parts; the last one may be empty."""
    upload = await storage.begin_multipart(SECRET, "files", key, NewMultipart())
    named, third = [], max(1, -(-len(content) // 3))
    for number, at in enumerate(range(0, max(1, len(content)), third), 1):
        part = await storage.begin_part(SECRET, NewPart(PartPlace("files", key, upload, number)))
        await storage.feed_upload(SECRET, part.upload, content[at : at + third])
        written = await storage.finish_part(SECRET, part.upload, "")
        named.append(NamedPart(number, written.etag))
    return await storage.complete_multipart(SECRET, Completing(PartPlace("files", key, upload), tuple(named)))


async def read(storage: Storage, key: str, caller: Caller = SECRET, bucket: str = "files") -> bytes:
    parts = [part async for part in storage.read(caller, Reading(Place(bucket, key)))]
    assert isinstance(parts[0], Opened)
    return b"".join([part.data for part in parts[1:] if isinstance(part, Piece)])
