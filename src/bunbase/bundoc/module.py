"""Open Bundoc with its engine, routes and jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from bunbase.bundoc.backups.archive import DirectoryArchive
from bunbase.bundoc.backups.blobs import BlobShelf
from bunbase.bundoc.backups.files import BackedUpFiles
from bunbase.bundoc.backups.proofs import Proofs
from bunbase.bundoc.backups.routes import ROUTES as BACKUP_ROUTES
from bunbase.bundoc.backups.users import BackedUpUsers
from bunbase.bundoc.backups.work import BackupParts
from bunbase.bundoc.jobs import back_up_job, check_live_job, free_blobs_job, settle_job, tend_job, tend_live_job
from bunbase.bundoc.room import BundocRoom
from bunbase.bundoc.routes import ROUTES
from bunbase.bundoc.routes.fast import FAST_ROUTES
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.copies import SqliteCopies
from bunbase.bundoc.sqlite_engine.engine import open_sqlite_engine
from bunbase.bundoc.transfer.routes import ROUTES as TRANSFER_ROUTES
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.storage import Storage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.jobs import running
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.sealed_sqlite.directory_id import check_directory

BACKUPS = "backups"
REPLACES = "BUNBASE_BUNDOC__REPLACES_DIRECTORY"


@asynccontextmanager
async def open_bundoc(settings: BundocSettings, rooms: Rooms, site: Site) -> AsyncIterator[BundocRoom]:
    documents = site.data_dir / "bundoc"
    async with open_sqlite_engine(documents, rooms[Kms], site.clock, settings) as engine:
        bind = partial(rooms[Kms].bind_directory, "bundoc")
        await check_directory(documents, bind, settings.replaces_directory, contents="documents", setting=REPLACES)
        copies = SqliteCopies(engine.files, engine.news)
        directory = Path(settings.backup_directory) if settings.backup_directory else site.data_dir / BACKUPS
        archive = DirectoryArchive(directory, Proofs(rooms[Kms]))
        shelf = BlobShelf(directory)
        await shelf.note_all()
        files = BackedUpFiles(rooms.later(Storage), shelf, archive, site.clock)
        parts = BackupParts(copies, archive, BackedUpUsers(rooms[Kms], rooms.later(TenantAuth)), files)
        room = BundocRoom(engine, parts, site.clock, settings, site.dev, rooms.later(Functions))
        try:
            async with running(
                tend_job(room.documents),
                tend_live_job(room.live_queries),
                check_live_job(room.live_queries),
                back_up_job(room.backup_service),
                free_blobs_job(room.backup_service),
                settle_job(room.backup_service),
            ):
                yield room
        finally:
            await room.live_queries.close()
            await room.backup_service.close_backups()
            copies.close()


MODULE = Module(
    "bundoc",
    provides=Bundoc,
    needs=(Kms,),
    calls=(TenantAuth, Functions, Storage),
    settings=BundocSettings,
    open=open_bundoc,
    routes=(*ROUTES, *BACKUP_ROUTES, *TRANSFER_ROUTES),
    fast_routes=FAST_ROUTES,
    needs_database=False,
)
