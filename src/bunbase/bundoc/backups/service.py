"""The calls for backups. Each checks the caller's role, then reads the archive or starts a job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from bunbase.bundoc.backups.jobs import Jobs, RunningJob
from bunbase.bundoc.backups.proofs import need_proof
from bunbase.bundoc.backups.schedule import Scheduler
from bunbase.bundoc.backups.work import BackupParts, BackupWork, RestoreChoices
from bunbase.bundoc.counted import counted
from bunbase.bundoc.settings import BundocSettings
from bunbase.contracts.bundoc.backups import (
    Backup,
    BackupDamaged,
    BackupFailed,
    BackupJob,
    BackupPage,
    BackupReason,
    BackupSchedule,
    BackupScheduleState,
    BackupWithoutUsers,
    JobKind,
    JobState,
    TooManyBackups,
)
from bunbase.contracts.caller import Act, Caller
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.cursors import MAX_LIMIT, cut_page, decode_cursor
from bunbase.pkg.errors import InvalidInput, Unreachable, problem_from_body
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("bundoc")

# A project has at most this many backups, because a list reads the manifest of each backup.
MAX_BACKUPS: Final = 200
QUERY: Final = "backups"
OPENING_SECONDS: Final = 0.05  # between the first attempts to reach Storage while the rooms of this process open


class BackupsService:
    """Implements the calls for backups in `contracts.bundoc.backups`."""

    def __init__(self, parts: BackupParts, clock: Clock, settings: BundocSettings) -> None:
        self.archive = parts.archive
        self.clock = clock
        self.default = BackupSchedule(
            settings.backup_every_hours, settings.backups_kept, settings.backup_users, settings.backup_files
        )
        self.jobs = Jobs(settings.backup_seconds)
        self.shelf = parts.files.shelf
        self.settled = False
        self.scheduler = Scheduler(parts.copies, parts.files, parts.archive, clock, self.default, self.jobs.reads)
        self.work = BackupWork(parts, clock)

    async def create_backup(self, caller: Caller, users: bool = False, files: bool = True) -> BackupJob:
        with counted("create_backup"):
            caller.check(Act.BACKUP_CREATE)
            return (await self._create(caller.project, BackupReason.MANUAL, users, files)).current()

    async def backups(self, caller: Caller, limit: int, cursor: str | None) -> BackupPage:
        with counted("backups"):
            caller.check(Act.BACKUP_READ)
            if not 1 <= limit <= MAX_LIMIT:
                raise InvalidInput.at("limit", f"limit must be from 1 to {MAX_LIMIT}.")
            before = decode_cursor(QUERY, cursor, str) if cursor is not None else None
            found = await self.archive.all(caller.project)
            left = [one for one in found if before is None or one.id < before]
            items, next = cut_page(left, limit, QUERY, lambda one: one.id)
            return BackupPage(tuple(items), next)

    async def backup(self, caller: Caller, id: str) -> Backup:
        with counted("backup"):
            caller.check(Act.BACKUP_READ)
            return await self.archive.one(caller.project, id)

    async def verify_backup(self, caller: Caller, id: str, deep: bool = False) -> BackupJob:
        with counted("verify_backup"):
            caller.check(Act.BACKUP_VERIFY)
            found = await self.archive.one(caller.project, id)
            running = self._begin(
                JobKind.VERIFY, caller.project, id, partial(self.work.verify, deep=deep), reads=caller.project
            )
            running.set(files=found.objects is not None)
            return running.current()

    async def restore_backup(
        self,
        caller: Caller,
        source: Caller,
        id: str,
        unauthenticated: bool = False,
        users: bool = False,
        files: bool = True,
    ) -> BackupJob:
        with counted("restore_backup"):
            act = Act.BACKUP_RESTORE_USERS if users else Act.BACKUP_RESTORE
            caller.check(act)
            source.check(act)
            backup = await self.archive.one(source.project, id)
            need_proof(backup, unauthenticated)
            if users and backup.users is None:
                raise BackupWithoutUsers(f"{id} has documents only. Restore it without its users, or use another one.")
            await self._check_count(caller.project)
            work = partial(self.work.restore, choices=RestoreChoices(caller, unauthenticated, users, files))
            running = self._begin(JobKind.RESTORE, caller.project, id, work, reads=source.project)
            who = caller.signed_in().id
            log.info("a restore has begun", project=caller.project, backup=id, of=source.project, developer=who)
            return running.current()

    async def delete_backup(self, caller: Caller, id: str) -> None:
        with counted("delete_backup"):
            caller.check(Act.BACKUP_DELETE)
            with suppress(BackupDamaged):  # a damaged backup can still be deleted
                await self.archive.one(caller.project, id)
            self.jobs.check_free(caller.project, id)
            await self.archive.remove(caller.project, id)
            self.shelf.note(caller.project)
            log.info("a backup was deleted", project=caller.project, backup=id, developer=caller.signed_in().id)

    async def backup_job(self, caller: Caller, id: str) -> BackupJob:
        with counted("backup_job"):
            caller.check(Act.BACKUP_READ)
            return self.jobs.one(caller.project, id)

    async def backup_schedule(self, caller: Caller) -> BackupScheduleState:
        with counted("backup_schedule"):
            caller.check(Act.BACKUP_READ)
            own = await self.archive.schedule(caller.project)
            return _state(own or self.default, own is not None)

    async def set_backup_schedule(self, caller: Caller, schedule: BackupSchedule | None) -> BackupScheduleState:
        with counted("set_backup_schedule"):
            caller.check(Act.BACKUP_SCHEDULE)
            await self.archive.set_schedule(caller.project, schedule)
            self.scheduler.look_again(caller.project)
            return _state(schedule or self.default, schedule is not None)

    async def back_up_due(self) -> None:
        """Make the scheduled backups that are due, one after the other."""
        await self.scheduler.back_up_due(self._back_up)

    async def free_blobs(self) -> None:
        """Delete the blobs of files that no backup names."""
        await self.shelf.free()

    async def settle_restores(self) -> None:
        """Finish or undo interrupted restores of files. At the start, wait until Storage has opened."""
        seconds = OPENING_SECONDS
        while True:
            try:
                await self.work.settle()
                self.settled = True
                return
            except Unreachable:
                if self.settled:
                    raise
            await asyncio.sleep(seconds)
            seconds = min(1.0, seconds * 2)

    async def end_backups(self, project: str) -> None:
        """Stop the jobs of a destroyed project and delete its backups, whose key is destroyed too."""
        await self.jobs.end(project)
        await self.archive.remove_all(project)

    async def close_backups(self) -> None:
        await self.jobs.close()
        self.shelf.close()
        self.archive.close()

    async def _create(self, project: str, reason: BackupReason, users: bool, files: bool) -> RunningJob:
        await self._check_count(project)
        work = partial(self.work.create, reason=reason, users=users, files=files)
        running = self._begin(JobKind.CREATE, project, new_id("bkp"), work, reads=project)
        running.set(files=files)
        return running

    def _begin(
        self, kind: JobKind, project: str, backup: str, work: Callable[[RunningJob], Awaitable[None]], reads: str
    ) -> RunningJob:
        now = rfc3339(self.clock.now())
        job = BackupJob(new_id("job"), project, kind, JobState.QUEUED, backup, now, from_project=reads)
        return self.jobs.begin(job, work, frozenset({(reads, backup)}))

    async def _check_count(self, project: str) -> None:
        if len(await self.archive.all(project)) >= MAX_BACKUPS:
            raise TooManyBackups(f"A project has at most {MAX_BACKUPS} backups: delete some first.")

    async def _back_up(self, project: str, users: bool, files: bool) -> None:
        """Make a scheduled backup and wait until it is done. Raises: the Problem that ended the job.

        If the files cannot be copied, for example because the disk has no room for them, the backup has only documents:
        otherwise a project with many files would have no backup at all.
        """
        running = await self._create(project, BackupReason.SCHEDULED, users, files)
        assert running.task is not None
        await running.task
        if running.job.problem is None:
            return
        problem = problem_from_body(running.job.problem)
        if not files or isinstance(problem, BackupFailed):
            raise problem
        log.error("a scheduled backup is made without files", project=project, reason=problem.detail)
        metrics.bundoc_backups_without_files.inc()
        await self._back_up(project, users, files=False)


def _state(schedule: BackupSchedule, own: bool) -> BackupScheduleState:
    return BackupScheduleState(schedule.every_hours, schedule.kept, own, schedule.users, schedule.files)
