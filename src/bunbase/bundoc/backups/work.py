"""The steps of each kind of job: create, verify, restore."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bunbase import __version__
from bunbase.bundoc.backups.archive import BackupArchive, check_files, list_files
from bunbase.bundoc.backups.engine import Contents, Copies, Progress, Safety
from bunbase.bundoc.backups.jobs import RunningJob
from bunbase.bundoc.backups.proofs import need_proof
from bunbase.contracts.bundoc.backups import (
    Authenticity,
    Backup,
    BackupDamaged,
    BackupReason,
    BackupUnauthenticated,
    Manifest,
)
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("bundoc")


class BackupWork:
    """Each method is the work of one job."""

    def __init__(self, copies: Copies, archive: BackupArchive, clock: Clock) -> None:
        self.copies = copies
        self.archive = archive
        self.clock = clock

    async def create(self, running: RunningJob, reason: BackupReason) -> None:
        job = running.job
        async with self.archive.draft(job.backup) as folder:
            await self.archive.check_room(await self.copies.size(job.project))
            contents = await self.copies.copy(job.project, folder, running.progress)
            await self._keep(job.project, job.backup, reason, contents, folder, running.progress)

    async def verify(self, running: RunningJob) -> None:
        job = running.job
        async with self.archive.fetched(job.project, job.backup) as folder:
            backup = await self.archive.one(job.project, job.backup)
            need_proof(backup, unauthenticated=True)
            await self._verify_files(backup, folder, running.progress)
        if backup.authenticity is Authenticity.UNAUTHENTICATED:
            raise BackupUnauthenticated(
                "The checksums, pages and counts of this backup are correct, but nothing proves who wrote it."
            )

    async def restore(self, running: RunningJob, unauthenticated: bool = False) -> None:
        job = running.job
        backup = await self.archive.one(job.from_project, job.backup)
        need_proof(backup, unauthenticated)
        await self.archive.check_room(await self.copies.size(job.project))
        id = new_id("bkp")
        async with self.archive.fetched(job.from_project, job.backup) as source, self.archive.draft(id) as folder:
            await self._verify_files(backup, source, running.progress)

            async def keep(contents: Contents) -> None:
                await self._keep(job.project, id, BackupReason.BEFORE_RESTORE, contents, folder, running.progress)
                running.set(safety_backup=id)

            await self.copies.replace(job.project, job.from_project, source, Safety(folder, keep), running.progress)
        log.info("a project was restored", project=job.project, backup=job.backup, from_project=job.from_project)

    async def _verify_files(self, backup: Backup, folder: Path, progress: Progress) -> None:
        """Compare the files with the manifest. Raises: BackupDamaged, BackupTooNew."""
        await asyncio.to_thread(check_files, folder, backup.files, progress)
        found = await self.copies.examine(backup.project, folder, progress)
        if (found.format, found.seq, found.collections) != (backup.format, backup.seq, backup.collections):
            raise BackupDamaged(
                "The contents of the backup differ from its manifest. Use another backup.", file="manifest.json"
            )

    async def _keep(
        self, project: str, id: str, reason: BackupReason, contents: Contents, folder: Path, progress: Progress
    ) -> None:
        files = await asyncio.to_thread(list_files, folder, progress)
        manifest = Manifest(
            id=id,
            project=project,
            reason=reason,
            created_at=rfc3339(self.clock.now()),
            bunbase=__version__,
            format=contents.format,
            key_version=contents.key_version,
            seq=contents.seq,
            source_changed_at=contents.source_changed_at,
            collections=contents.collections,
            files=files,
        )
        await self.archive.keep(manifest, folder)
        log.info("a project was backed up", project=project, backup=id, reason=reason.value, bytes=manifest.size())
