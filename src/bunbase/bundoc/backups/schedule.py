"""Scheduled backups: this module decides which projects are due, and which old backups to delete.

Time is divided into periods of `every_hours`, and each project gets one backup per period. The start of the period
depends on the id of the project, so that the backups of many projects do not all start at the same time. After a
downtime, each project is backed up only once. Bundoc skips a project without writes since its last backup. If the
project's backups include users, Bundoc backs it up anyway, because changes of users leave no trace in the project's
files. A project that has only files, and never had a document, is backed up too.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from bunbase.bundoc.backups.archive import BackupArchive
from bunbase.bundoc.backups.engine import Copies
from bunbase.bundoc.backups.files import BackedUpFiles
from bunbase.contracts.bundoc.backups import Authenticity, Backup, BackupBusy, BackupReason, BackupSchedule
from bunbase.contracts.storage_copies import FilesState
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem, Unreachable
from bunbase.pkg.logger import logger

log = logger("bundoc")

HOUR_SECONDS: Final = 3600
# After a scheduled backup has failed, the next attempt comes this many seconds later.
AGAIN_SECONDS: Final = HOUR_SECONDS
# BunBase makes backups for these reasons by itself, so it also deletes the old ones.
BY_ITSELF: Final = (BackupReason.SCHEDULED, BackupReason.BEFORE_RESTORE)

# backs up one project, with its users and its files if the flags are set; raises a Problem if that fails
BackUp = Callable[[str, bool, bool], Awaitable[None]]


class Scheduler:
    """Makes the scheduled backups.

    `default`: the schedule of the instance. `in_use`: returns True while a job reads the backup with this id of this
    project.
    `looks`: the time of the next check of each project. Without `looks`, the scheduler would read every folder of
    backups every minute.
    """

    def __init__(
        self,
        copies: Copies,
        files: BackedUpFiles,
        archive: BackupArchive,
        clock: Clock,
        default: BackupSchedule,
        in_use: Callable[[str, str], bool],
    ) -> None:
        self.copies = copies
        self.files = files
        self.archive = archive
        self.clock = clock
        self.default = default
        self.in_use = in_use
        self.looks: dict[str, float] = {}
        self.turn = asyncio.Lock()

    def look_again(self, project: str) -> None:
        """Check the project in the next run, because its schedule has changed."""
        self.looks.pop(project, None)

    async def back_up_due(self, back_up: BackUp) -> None:
        """Back up every project that is due, one after the other."""
        async with self.turn:
            now = self.clock.now().timestamp()
            projects = sorted({*await self.copies.projects(), *await self._file_projects()})
            self.looks = {project: self.looks[project] for project in projects if project in self.looks}
            for project in projects:
                if now >= self.looks.get(project, 0.0):
                    await self._look(project, now, back_up)

    async def _look(self, project: str, now: float, back_up: BackUp) -> None:
        try:
            self.looks[project] = await self._tend(project, now, back_up)
        except BackupBusy:
            pass  # another job of the project is running; the next run tries again
        except Problem as problem:
            self.looks[project] = now + AGAIN_SECONDS
            log.warning("a scheduled backup was not made", project=project, reason=problem.detail)

    async def _tend(self, project: str, now: float, back_up: BackUp) -> float:
        """Back up the project if it is due, and delete outdated backups. Return the time of the next check."""
        schedule = await self.archive.schedule(project) or self.default
        if not schedule.every_hours:
            return now + AGAIN_SECONDS
        backups = await self.archive.all(project)
        due = next_period(project, schedule, await self._last(project, backups))
        if now < due:
            return due
        changed_at = await self.copies.changed_at(project)
        files = await self._files_state(project) if schedule.files else None
        newest = next((one for one in backups if one.authenticity is Authenticity.PROVED), None)
        if (changed_at is not None or files is not None) and (
            newest is None or schedule.users or (changed_at or 0) > newest.source_changed_at or _newer(files, newest)
        ):
            await back_up(project, schedule.users, schedule.files)
            for old in outdated(await self.archive.all(project), schedule.kept):
                if not self.in_use(project, old.id):
                    await self.archive.remove(project, old.id)
                    self.files.shelf.note(project)
        return next_period(project, schedule, now)

    async def _file_projects(self) -> tuple[str, ...]:
        """Return the projects with files; none if Storage cannot be reached, so that documents are still backed up."""
        try:
            return await self.files.storage.file_projects()
        except Unreachable:  # also while the rooms of this process open
            return ()
        except Problem as problem:
            log.warning("the projects with files are not known", reason=problem.detail)
            return ()

    async def _files_state(self, project: str) -> FilesState | None:
        try:
            return await self.files.storage.files_state(project)
        except Problem as problem:
            log.warning("changes of files are not known", project=project, reason=problem.detail)
            return None

    async def _last(self, project: str, backups: Sequence[Backup]) -> float:
        """Return the time of the last scheduled backup.

        If there is none, return the time at which the project was created.
        """
        now = self.clock.now().timestamp()
        for one in backups:
            if one.reason is BackupReason.SCHEDULED and one.authenticity is not Authenticity.ALTERED:
                made_at = datetime.fromisoformat(one.created_at).timestamp()
                if made_at <= now:
                    return made_at
        if await self.copies.changed_at(project) is not None:
            return await self.copies.born_at(project)
        files = await self._files_state(project)
        return now if files is None else files.born_at


def _newer(files: FilesState | None, backup: Backup) -> bool:
    """True if files have changed since the backup, or if it has no files."""
    return files is not None and (backup.objects is None or files.changed_at > backup.objects.changed_at)


def next_period(project: str, schedule: BackupSchedule, after: float) -> float:
    """Return the start of the project's next period after the time `after`. Both times are in seconds since 1970."""
    period = schedule.every_hours * HOUR_SECONDS
    shift = zlib.crc32(project.encode()) % period
    return float(((after - shift) // period + 1) * period + shift)


def outdated(backups: Sequence[Backup], kept: int) -> list[Backup]:
    """Return the backups to delete: for each reason in `BY_ITSELF`, all except the newest `kept`.

    Altered backups do not count, and are not deleted. `backups`: newest first.
    """
    ours = [one for one in backups if one.authenticity is not Authenticity.ALTERED]
    return [one for reason in BY_ITSELF for one in [one for one in ours if one.reason is reason][kept:]]
