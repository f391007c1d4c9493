"""The steps of each kind of job: create, verify, restore."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bunbase import __version__
from bunbase.bundoc.backups.archive import BackupArchive, check_files, list_files
from bunbase.bundoc.backups.engine import Contents, Copies, Progress, Safety
from bunbase.bundoc.backups.files import BackedUpFiles
from bunbase.bundoc.backups.jobs import RunningJob
from bunbase.bundoc.backups.proofs import need_proof
from bunbase.bundoc.backups.users import BackedUpUsers
from bunbase.contracts.bundoc.backups import (
    Authenticity,
    BackedUpObjects,
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
    files: BackedUpFiles


class RestoreChoices(msgspec.Struct, frozen=True):
    """`unauthenticated`: accept a backup without a proof.

    `users`: restore the users too, with the rights of `caller`. `files`: replace the files too, if the backup has some.
    """

    caller: Caller
    unauthenticated: bool = False
    users: bool = False
    files: bool = True


class Draft(msgspec.Struct, frozen=True):
    """A backup that is being written. `users`: the number of users in the draft; None for a backup without users.
    `objects`: the files in the draft; None for a backup without files.
    """

    project: str
    id: str
    reason: BackupReason
    folder: Path
    users: int | None
    documents_at: str
    objects: BackedUpObjects | None = None


class BackupWork:
    """Does the work of jobs: each method is one kind of job."""

    def __init__(self, parts: BackupParts, clock: Clock) -> None:
        self.copies = parts.copies
        self.archive = parts.archive
        self.users = parts.users
        self.files = parts.files
        self.clock = clock
        self.settling = asyncio.Lock()

    async def create(self, running: RunningJob, reason: BackupReason, users: bool, files: bool) -> None:
        job, progress = running.job, running.progress
        async with self.archive.draft(job.backup) as folder, self.files.shelf.lock(job.project):
            await self.archive.check_room(await self.copies.size(job.project))
            now = rfc3339(self.clock.now())
            contents, objects = await self._copied(job.project, folder, progress, files)
            count = await self._users(job.project, job.backup, folder, progress, users)
            draft = Draft(job.project, job.backup, reason, folder, count, now, objects)
            await self._keep(draft, contents, progress)

    async def verify(self, running: RunningJob, deep: bool = False) -> None:
        job = running.job
        async with self.archive.fetched(job.project, job.backup) as folder:
            backup = await self.archive.one(job.project, job.backup)
            need_proof(backup, unauthenticated=True)
            await self._verify_files(backup, folder, running.progress, files=True, deep=deep)
        if backup.authenticity is Authenticity.UNAUTHENTICATED:
            raise BackupUnauthenticated(
                "The checksums, pages and counts of this backup are correct, but nothing proves who wrote it."
            )

    async def restore(self, running: RunningJob, choices: RestoreChoices) -> None:
        job = running.job
        backup = await self.archive.one(job.from_project, job.backup)
        need_proof(backup, choices.unauthenticated)
        await self.archive.check_room(await self.copies.size(job.project))
        async with self.archive.fetched(job.from_project, job.backup) as source:
            with_files = choices.files and backup.objects is not None
            await self._verify_files(backup, source, running.progress, files=with_files)
            if with_files:
                await self._restore_with_files(running, choices, backup, source)
            else:
                await self._restore_documents(running, choices, source)
            if choices.users:
                place = (job.from_project, job.backup, source)
                running.set(users=await self.users.restore(choices.caller, *place, running.progress))
        log.info("a project was restored", project=job.project, backup=job.backup, from_project=job.from_project)

    async def settle(self) -> None:
        """Finish or undo the restores of files that a crash has interrupted. Idempotent.

        If a restore is in `Copies.committed`, the change of its documents is final, so its files are replaced too. All
        other prepared files are discarded. Raises: Unreachable if Storage cannot be reached.
        """
        async with self.settling:
            await self._settle()

    async def _settle(self) -> None:
        live = set(self.files.live)  # read first: a job decides its restore while it is in this set
        prepared = await self.files.storage.prepared_restores()
        committed = {one.restore: one for one in await self.copies.committed()}
        for one in prepared:
            if one.restore in live:
                continue
            if one.restore in committed:
                await self.files.commit(one.project, one.restore)
            else:
                await self.files.storage.abort_restore(one.project, one.restore)
            log.info("an interrupted restore is over", project=one.project, restored=one.restore in committed)
        for id in committed.keys() - live:
            await self.copies.forget(id)

    async def _copied(
        self, project: str, folder: Path, progress: Progress, files: bool
    ) -> tuple[Contents, BackedUpObjects | None]:
        """Copy the documents, and the files as they are as soon as the snapshot of the documents is fixed.

        Apps store a file before the document that names it, so this order loses no file that a document names.
        """
        if not files:
            return await self.copies.copy(project, folder, progress), None
        loop, fixed = asyncio.get_running_loop(), asyncio.Event()
        progress.on_step = lambda: loop.call_soon_threadsafe(fixed.set)
        documents = asyncio.ensure_future(self.copies.copy(project, folder, progress))
        documents.add_done_callback(lambda _: fixed.set())
        try:
            await fixed.wait()
            restarts = progress.restarts
            objects = await self.files.copy(project, folder, progress)
            contents = await documents
            if progress.restarts != restarts:  # the documents are newer than the list of objects
                objects = await self.files.copy(project, folder, progress)
            await self.files.copy_blobs(project, folder, progress)
            return contents, objects
        finally:
            progress.on_step = lambda: None
            if not documents.done():
                progress.stop()
                await asyncio.wait([documents])
            if not documents.cancelled():
                documents.exception()
            await self.files.release(project)

    async def _restore_documents(self, running: RunningJob, choices: RestoreChoices, source: Path) -> None:
        job, id = running.job, new_id("bkp")
        async with self.archive.draft(id) as folder:
            # done before the project closes, so that the project is closed for a shorter time
            count = await self._users(job.project, id, folder, running.progress, choices.users)

            async def keep(contents: Contents) -> None:
                now = rfc3339(self.clock.now())
                draft = Draft(job.project, id, BackupReason.BEFORE_RESTORE, folder, count, now)
                await self._keep(draft, contents, running.progress)
                running.set(safety_backup=id)

            await self.copies.replace(job.project, job.from_project, source, Safety(folder, keep), running.progress)

    async def _restore_with_files(
        self, running: RunningJob, choices: RestoreChoices, backup: Backup, source: Path
    ) -> None:
        """Replace documents and files together.

        The files are prepared first, so that only a rename is left. The mark in `Copies.replace` decides: without it,
        the prepared files are given up; with it, they follow, also after a crash (`settle`).
        """
        job, progress = running.job, running.progress
        id, restore = new_id("bkp"), new_id("rst")
        running.set(files=True)
        async with self.archive.draft(id) as folder, self.files.shelf.lock(job.project):
            try:
                had_files = await self._copy_before(job.project, id, progress)
                await self.files.send(job.project, backup, restore, source, progress)
                count = await self._users(job.project, id, folder, progress, choices.users)

                async def close_files() -> None:
                    await self.files.prepare(job.project, restore)

                async def keep(contents: Contents) -> None:
                    now = rfc3339(self.clock.now())
                    objects = await self.files.present(job.project, folder, progress)
                    draft = Draft(job.project, id, BackupReason.BEFORE_RESTORE, folder, count, now, objects)
                    await self._keep(draft, contents, progress)
                    running.set(safety_backup=id)

                safety = Safety(folder, keep, had_files, restore, close_files)
                await self.copies.replace(job.project, job.from_project, source, safety, progress)
                await self.files.commit(job.project, restore)
                await self.copies.forget(restore)
            except BaseException:
                if restore not in {one.restore for one in await self.copies.committed()}:
                    await self.files.abort(job.project, restore)
                raise
            finally:
                self.files.live.discard(restore)

    async def _copy_before(self, project: str, id: str, progress: Progress) -> bool:
        """Copy the blobs of the present files while the project is open, so that it is closed for a shorter time.

        Return True if the project has files. Then it also gets a file of documents, which each backup has.
        """
        if not await self.files.exist(project):
            return False
        await self.copies.create(project)
        async with self.archive.draft(f"{id}-files") as folder:
            await self.files.present(project, folder, progress)
        return True

    async def _verify_files(
        self, backup: Backup, folder: Path, progress: Progress, files: bool, deep: bool = False
    ) -> None:
        """Compare a backup with its manifest. `files`: also the files of the project, which `deep` decrypts.

        Raises: BackupDamaged, BackupTooNew.
        """
        await asyncio.to_thread(check_files, folder, backup.files, progress)
        if backup.users is not None:
            await self.users.verify(backup.project, backup.id, folder, progress, backup.users)
        if files:
            await self.files.verify(backup, folder, deep, progress)
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
            objects=draft.objects,
            documents_at=draft.documents_at,
        )
        await self.archive.keep(manifest, draft.folder)
        named = {"project": draft.project, "backup": draft.id, "reason": draft.reason.value}
        stored = None if draft.objects is None else draft.objects.objects
        log.info("a project was backed up", **named, bytes=manifest.size(), users=draft.users, files=stored)
