"""Open Storage, and declare it as a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.storage import Storage
from bunbase.pkg.jobs import running
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.sealed_sqlite.directory_id import check_directory
from bunbase.pkg.sealed_sqlite.directory_lock import directory_lock
from bunbase.storage.blobs.store import open_blobs
from bunbase.storage.deciding import Deciding
from bunbase.storage.holdings import Holdings
from bunbase.storage.jobs import storage_jobs
from bunbase.storage.routes import ROUTES
from bunbase.storage.service import StorageService
from bunbase.storage.settings import StorageSettings
from bunbase.storage.store.files import OpenFiles

REPLACES = "BUNBASE_STORAGE__REPLACES_DIRECTORY"


@asynccontextmanager
async def open_storage(settings: StorageSettings, rooms: Rooms, site: Site) -> AsyncIterator[StorageService]:
    directory = site.data_dir / "storage"
    with directory_lock(directory, "Storage"), ThreadPoolExecutor(settings.threads, "storage") as pool:
        bind = partial(rooms[Kms].bind_directory, "storage")
        await check_directory(directory, bind, settings.replaces_directory, contents="objects", setting=REPLACES)
        files = OpenFiles(directory, rooms[Kms], pool, settings.max_open)
        blobs = open_blobs(settings, directory / "blobs", pool)
        files.has_blobs = blobs.any
        deciding = Deciding(rooms[Bundoc], site.clock)
        holdings = Holdings(files, blobs, deciding, settings, site.clock, pool)
        service = StorageService(holdings, rooms.later(Functions))
        try:
            async with running(*storage_jobs(service)):
                yield service
        finally:
            await service.close()


MODULE = Module(
    "storage",
    provides=Storage,
    needs=(Kms, Bundoc),
    calls=(Functions,),
    settings=StorageSettings,
    open=open_storage,
    routes=ROUTES,
    needs_database=False,
)
