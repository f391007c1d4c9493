"""The steps of each kind of job: create, verify, restore."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bunbase import __version__
from bunbase.bundoc.backups.archive import BackupArchive, check_files, list_files
from bunbase.bundoc.backups.engine import Contents, Copies, Progress, Safety
from bunbase.bundoc.backups.jobs import RunningJob
from bunbase.bundoc.backups.proofs import need_proof
from bunbase.bundoc.backups.users import BackedUpUsers
from bunbase.contracts.bundoc.backups import (
    Authenticity,
    Backup,
    BackupDamaged,
    BackupReason,
    BackupUnauthenticated,
    Manifest,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("bundoc")


@dataclass(frozen=True)
class BackupParts:
    """The parts of Bundoc that backups need."""

    copies: Copies
    archive: BackupArchive
    users: BackedUpUsers


class RestoreChoices(msgspec.Struct, frozen=True):
    """`unauthenticated`: accept a backup without a proof.

    `users`: restore the users too, with the rights of `caller`.
    """

    caller: Caller
    unauthenticated: bool = False
    users: bool = False


class Draft(msgspec.Struct, frozen=True):
    """A backup that is being written. `users`: the number of users in the draft; None for a backup without users."""

    project: str
    id: str
    reason: BackupReason
    folder: Path
    users: int | None


class BackupWork:
    """Does the work of jobs: each method is one kind of job."""

    def __init__(self, parts: BackupParts, clock: Clock) -> None:
        self.copies = parts.copies
        self.archive = parts.archive
        self.users = parts.users
        self.clock = clock

    async def create(self, running: RunningJob, reason: BackupReason, users: bool) -> None:
        job = running.job
        async with self.archive.draft(job.backup) as folder:
            await self.archive.check_room(await self.copies.size(job.project))
            contents = await self.copies.copy(job.project, folder, running.progress)
            count = await self._users(job.project, job.backup, folder, running.progress, users)
            draft = Draft(job.project, job.backup, reason, folder, count)
            await self._keep(draft, contents, running.progress)

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

    async def restore(self, running: RunningJob, choices: RestoreChoices) -> None:
        job = running.job
        backup = await self.archive.one(job.from_project, job.backup)
        need_proof(backup, choices.unauthenticated)
        await self.archive.check_room(await self.copies.size(job.project))
        id = new_id("bkp")
        async with self.archive.fetched(job.from_project, job.backup) as source, self.archive.draft(id) as folder:
            await self._verify_files(backup, source, running.progress)
            # This happens before the project closes, so that the project is closed for a shorter time.
            count = await self._users(job.project, id, folder, running.progress, choices.users)
            draft = Draft(job.project, id, BackupReason.BEFORE_RESTORE, folder, count)

            async def keep(contents: Contents) -> None:
                await self._keep(draft, contents, running.progress)
                running.set(safety_backup=id)

            await self.copies.replace(job.project, job.from_project, source, Safety(folder, keep), running.progress)
            if choices.users:
                place = (job.from_project, job.backup, source)
                running.set(users=await self.users.restore(choices.caller, *place, running.progress))
        log.info("a project was restored", project=job.project, backup=job.backup, from_project=job.from_project)

    async def _verify_files(self, backup: Backup, folder: Path, progress: Progress) -> None:
        """Compare the files with the manifest. Raises: BackupDamaged, BackupTooNew."""
        await asyncio.to_thread(check_files, folder, backup.files, progress)
        if backup.users is not None:
            await self.users.verify(backup.project, backup.id, folder, progress, backup.users)
        found = await self.copies.examine(backup.project, folder, progress)
        if (found.format, found.seq, found.collections) != (backup.format, backup.seq, backup.collections):
            raise BackupDamaged(
                "The contents of the backup differ from its manifest. Use another backup.", file="manifest.json"
            )

    async def _users(self, project: str, id: str, folder: Path, progress: Progress, wanted: bool) -> int | None:
        return await self.users.write(project, id, folder, progress) if wanted else None

    async def _keep(self, draft: Draft, contents: Contents, progress: Progress) -> None:
        files = await asyncio.to_thread(list_files, draft.folder, progress)
        manifest = Manifest(
            id=draft.id,
            project=draft.project,
            reason=draft.reason,
            created_at=rfc3339(self.clock.now()),
            bunbase=__version__,
            format=contents.format,
            key_version=contents.key_version,
            seq=contents.seq,
            source_changed_at=contents.source_changed_at,
            collections=contents.collections,
            files=files,
            users=draft.users,
        )
        await self.archive.keep(manifest, draft.folder)
        named = {"project": draft.project, "backup": draft.id, "reason": draft.reason.value}
        log.info("a project was backed up", **named, bytes=manifest.size(), users=draft.users)
