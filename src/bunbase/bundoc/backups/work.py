"""What each kind of job does, step by step."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bunbase import __version__
from bunbase.bundoc.backups.engine import Contents, Copies, Progress, Safety
from bunbase.bundoc.backups.jobs import Running
from bunbase.bundoc.backups.proofs import need_proof
from bunbase.bundoc.backups.store import BackupStore, check_files, listed_files
from bunbase.contracts.backups import (
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
    def __init__(self, copies: Copies, store: BackupStore, clock: Clock) -> None:
        self.copies = copies
        self.store = store
        self.clock = clock

    async def create(self, running: Running, reason: BackupReason) -> None:
        job = running.job
        async with self.store.draft(job.backup) as folder:
            await self.store.check_room(await self.copies.size(job.project))
            contents = await self.copies.copy(job.project, folder, running.progress)
            await self._keep(job.project, job.backup, reason, contents, folder, running.progress)

    async def verify(self, running: Running) -> None:
        job = running.job
        async with self.store.fetched(job.project, job.backup) as folder:
            backup = await self.store.one(job.project, job.backup)
            need_proof(backup, unauthenticated=True)
            await self._verified(backup, folder, running.progress)
        if backup.authenticity is Authenticity.UNAUTHENTICATED:
            raise BackupUnauthenticated("Its sums, pages and counts are right, but nothing proves who wrote them.")

    async def restore(self, running: Running, unauthenticated: bool = False) -> None:
        job = running.job
        backup = await self.store.one(job.from_project, job.backup)
        need_proof(backup, unauthenticated)
        await self.store.check_room(await self.copies.size(job.project))
        id = new_id("bkp")
        async with self.store.fetched(job.from_project, job.backup) as source, self.store.draft(id) as folder:
            await self._verified(backup, source, running.progress)

            async def keep(contents: Contents) -> None:
                await self._keep(job.project, id, BackupReason.BEFORE_RESTORE, contents, folder, running.progress)
                running.now(safety_backup=id)

            await self.copies.replace(job.project, job.from_project, source, Safety(folder, keep), running.progress)
        log.info("a project was restored", project=job.project, backup=job.backup, from_project=job.from_project)

    async def _verified(self, backup: Backup, folder: Path, progress: Progress) -> None:
        """Raises: BackupDamaged, BackupTooNew."""
        await asyncio.to_thread(check_files, folder, backup.files, progress)
        found = await self.copies.examine(backup.project, folder, progress)
        if (found.format, found.seq, found.collections) != (backup.format, backup.seq, backup.collections):
            raise BackupDamaged(
                "The backup does not hold what its manifest says. Use another one.", file="manifest.json"
            )

    async def _keep(
        self, project: str, id: str, reason: BackupReason, contents: Contents, folder: Path, progress: Progress
    ) -> None:
        files = await asyncio.to_thread(listed_files, folder, progress)
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
        await self.store.keep(manifest, folder)
        log.info("a project was backed up", project=project, backup=id, reason=reason.value, bytes=manifest.size())
