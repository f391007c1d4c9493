"""The calls for backups. Each checks the caller's role, then reads the archive or starts a job."""

from __future__ import annotations

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
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.cursors import MAX_LIMIT, cut_page, decode_cursor
from bunbase.pkg.errors import InvalidInput, problem_from_body
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("bundoc")

# A project has at most this many backups, because a list reads the manifest of each backup.
MAX_BACKUPS: Final = 200
QUERY: Final = "backups"


class BackupsService:
    """Implements the calls for backups in `contracts.bundoc.backups`."""

    def __init__(self, parts: BackupParts, clock: Clock, settings: BundocSettings) -> None:
        self.archive = parts.archive
        self.clock = clock
        self.default = BackupSchedule(settings.backup_every_hours, settings.backups_kept, settings.backup_users)
        self.jobs = Jobs(settings.backup_seconds)
        self.scheduler = Scheduler(parts.copies, parts.archive, clock, self.default, self.jobs.reads)
        self.work = BackupWork(parts, clock)

    async def create_backup(self, caller: Caller, users: bool = False) -> BackupJob:
        with counted("create_backup"):
            caller.check(Act.BACKUP_CREATE)
            return (await self._create(caller.project, BackupReason.MANUAL, users)).current()

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

    async def verify_backup(self, caller: Caller, id: str) -> BackupJob:
        with counted("verify_backup"):
            caller.check(Act.BACKUP_VERIFY)
            await self.archive.one(caller.project, id)
            return self._begin(JobKind.VERIFY, caller.project, id, self.work.verify, reads=caller.project).current()

    async def restore_backup(
        self, caller: Caller, source: Caller, id: str, unauthenticated: bool = False, users: bool = False
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
            work = partial(self.work.restore, choices=RestoreChoices(caller, unauthenticated, users))
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

    async def end_backups(self, project: str) -> None:
        """Stop the jobs of a destroyed project and delete its backups, whose key is destroyed too."""
        await self.jobs.end(project)
        await self.archive.remove_all(project)

    async def close_backups(self) -> None:
        await self.jobs.close()
        self.archive.close()

    async def _create(self, project: str, reason: BackupReason, users: bool) -> RunningJob:
        await self._check_count(project)
        work = partial(self.work.create, reason=reason, users=users)
        return self._begin(JobKind.CREATE, project, new_id("bkp"), work, reads=project)

    def _begin(
        self, kind: JobKind, project: str, backup: str, work: Callable[[RunningJob], Awaitable[None]], reads: str
    ) -> RunningJob:
        now = rfc3339(self.clock.now())
        job = BackupJob(new_id("job"), project, kind, JobState.QUEUED, backup, now, from_project=reads)
        return self.jobs.begin(job, work, frozenset({(reads, backup)}))

    async def _check_count(self, project: str) -> None:
        if len(await self.archive.all(project)) >= MAX_BACKUPS:
            raise TooManyBackups(f"A project has at most {MAX_BACKUPS} backups: delete some first.")

    async def _back_up(self, project: str, users: bool) -> None:
        """Make a scheduled backup and wait until it is done. Raises: the Problem that ended the job."""
        running = await self._create(project, BackupReason.SCHEDULED, users)
        assert running.task is not None
        await running.task
        if running.job.problem is not None:
            raise problem_from_body(running.job.problem)


def _state(schedule: BackupSchedule, own: bool) -> BackupScheduleState:
    return BackupScheduleState(schedule.every_hours, schedule.kept, own, schedule.users)
