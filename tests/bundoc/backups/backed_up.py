"""A complete Bundoc on real files, and functions that wait for its backup jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bunbase.bundoc.module import open_bundoc
from bunbase.bundoc.room import BundocRoom
from bunbase.bundoc.settings import BundocSettings
from bunbase.contracts.bundoc.backups import BackupJob, JobState
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.storage import Storage
from bunbase.contracts.storage_copies import CopiedList, FilesKey, FilesState, NamedBlobs, NewRestore, PreparedRestore
from bunbase.pkg.clock import Clock, SystemClock
from bunbase.pkg.modules import Rooms
from tests.fakes import FakeKms
from tests.rooms import member_caller, secret_caller, site

DEADLINE_SECONDS = 30.0
MANUAL_ONLY = BundocSettings(backup_every_hours=0)

SERVER = secret_caller("prj_a")
OWNER = member_caller("prj_a")
OTHER_SERVER = secret_caller("prj_b")
OTHER_OWNER = member_caller("prj_b")


class NoFiles:
    """Storage for projects without buckets. `restored`: the projects whose files were replaced."""

    def __init__(self) -> None:
        self.restored: list[str] = []

    async def file_projects(self) -> tuple[str, ...]:
        return ()

    async def files_state(self, project: str) -> FilesState | None:
        return None

    async def copied_files(self, project: str) -> AsyncIterator[CopiedList]:
        for _ in ():
            yield _

    async def release_files(self, project: str) -> None: ...

    async def begin_restore(self, project: str, new: NewRestore) -> None: ...

    async def restored_list(self, project: str, restore: str) -> CopiedList:
        return CopiedList("", 0, 0, 0, 0, SystemClock().now(), 0)

    async def lacking_blobs(self, project: str, restore: str) -> AsyncIterator[NamedBlobs]:
        for _ in ():
            yield _

    async def prepare_restore(self, project: str, restore: str) -> None: ...

    async def commit_restore(self, project: str, restore: str) -> None:
        self.restored.append(project)

    async def abort_restore(self, project: str, restore: str) -> None: ...

    async def files_key(self, caller: Caller) -> FilesKey | None:
        return None

    async def rotate_files_key(self, caller: Caller) -> FilesKey | None:
        return None

    async def prepared_restores(self) -> tuple[PreparedRestore, ...]:
        return ()


@asynccontextmanager
async def whole_bundoc(
    data_dir: Path, kms: FakeKms, settings: BundocSettings = MANUAL_ONLY, clock: Clock | None = None
) -> AsyncIterator[BundocRoom]:
    async with open_bundoc(settings, Rooms({Kms: kms, Storage: NoFiles()}), site(data_dir, clock=clock)) as bundoc:
        yield bundoc


async def put(bundoc: Bundoc, id: str, body: bytes = b'{"n":1}', caller: Caller = SERVER) -> None:
    await bundoc.put(caller, "posts", id, body, NO_PRECONDITION)


async def ended(bundoc: Bundoc, caller: Caller, job: BackupJob) -> BackupJob:
    """Wait until the job is over and return its last state."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while job.state in (JobState.QUEUED, JobState.RUNNING):
            await asyncio.sleep(0.005)
            job = await bundoc.backup_job(caller, job.id)
    return job


async def backed_up(bundoc: Bundoc, caller: Caller = OWNER) -> str:
    """Make a backup and return its id."""
    job = await ended(bundoc, caller, await bundoc.create_backup(caller))
    assert job.state is JobState.DONE, job.problem
    return job.backup


async def restored(
    bundoc: Bundoc, id: str, into: Caller = OWNER, source: Caller = OWNER, unauthenticated: bool = False
) -> BackupJob:
    return await ended(bundoc, into, await bundoc.restore_backup(into, source, id, unauthenticated))


async def bodies(bundoc: Bundoc, caller: Caller = SERVER) -> bytes:
    return b"".join([part.lines async for part in bundoc.export_documents(caller, None, "")])
