"""Bundoc and Storage together on real files, as a server runs them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bunbase.bundoc.module import open_bundoc
from bunbase.bundoc.room import BundocRoom
from bunbase.bundoc.settings import BundocSettings
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.storage import Listing, NewBucket, NewObject, Place, Reading, Storage
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.modules import LaterRoom, Rooms
from bunbase.storage.module import open_storage
from bunbase.storage.service import StorageService
from bunbase.storage.settings import StorageSettings
from tests.bundoc.backups.backed_up import MANUAL_ONLY, SERVER
from tests.fakes import FakeKms
from tests.rooms import site
from tests.storage.room import Uncounted

STORAGE = StorageSettings(min_free_mib=0, deleted_seconds=0)


class TwoRooms:
    def __init__(self, bundoc: BundocRoom) -> None:
        self.bundoc = bundoc
        self.opened: StorageService | None = None

    @property
    def storage(self) -> StorageService:
        """Raises: Unreachable."""
        if self.opened is None:
            raise Unreachable("Storage has not opened yet.")
        return self.opened


@asynccontextmanager
async def two_rooms(
    directory: Path,
    kms: FakeKms,
    clock: Clock | None = None,
    settings: BundocSettings = MANUAL_ONLY,
    storage: StorageSettings = STORAGE,
) -> AsyncIterator[TwoRooms]:
    kms.directories.clear()
    where = site(directory, clock=clock)
    held: list[TwoRooms] = []  # empty until Bundoc is open
    rooms = Rooms({Kms: kms, Storage: LaterRoom(lambda: _storage_of(held))})
    async with AsyncExitStack() as stack:
        both = TwoRooms(await stack.enter_async_context(open_bundoc(settings, rooms, where)))
        held.append(both)
        with_bundoc = Rooms({Kms: kms, Bundoc: both.bundoc, Functions: Uncounted()})
        both.opened = await stack.enter_async_context(open_storage(storage, with_bundoc, where))
        yield both


async def upload(storage: StorageService, key: str, content: bytes, caller: Caller = SERVER) -> None:
    one = await storage.begin_upload(caller, Place("files", key), NewObject())
    for at in range(0, len(content), 1 << 19):
        await storage.feed_upload(caller, one, content[at : at + (1 << 19)])
    await storage.finish_upload(caller, one)


async def files_of(storage: StorageService, caller: Caller = SERVER) -> dict[str, bytes]:
    found = {}
    for one in (await storage.objects(caller, "files", Listing(limit=500))).items:
        parts = [part async for part in storage.read(caller, Reading(Place("files", one.key)))]
        found[one.key] = b"".join([getattr(part, "data", b"") for part in parts])
    return found


async def create_bucket(storage: StorageService, caller: Caller = SERVER) -> None:
    await storage.create_bucket(caller, NewBucket(name="files"))


def blobs_in(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*") if path.is_file() and path.parent.parent.name == "blobs"}


def _storage_of(held: list[TwoRooms]) -> StorageService:
    if not held:
        raise Unreachable("Bundoc has not opened yet.")
    return held[0].storage
