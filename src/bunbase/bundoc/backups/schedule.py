"""Scheduled backups: which projects are due, and which old backups go.

Time is cut into periods of `every_hours`, shifted for each project by an amount that its id decides: projects are
spread over the period, and after a downtime each is backed up once. A project that nobody wrote to since is left alone.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from bunbase.bundoc.backups.engine import Copies
from bunbase.bundoc.backups.store import BackupStore
from bunbase.contracts.backups import Authenticity, Backup, BackupBusy, BackupReason, BackupSchedule
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("bundoc")

HOUR_SECONDS: Final = 3600
AGAIN_SECONDS: Final = HOUR_SECONDS  # after a scheduled backup has failed
BY_ITSELF: Final = (BackupReason.SCHEDULED, BackupReason.BEFORE_RESTORE)  # nobody asked for these by hand

BackUp = Callable[[str], Awaitable[None]]  # raises a Problem when it could not


class Scheduler:
    """`in_use`: whether a backup of a project is being read. `looks`: when to look at each project next, which spares
    looking into every folder of backups every minute.
    """

    def __init__(
        self,
        copies: Copies,
        store: BackupStore,
        clock: Clock,
        default: BackupSchedule,
        in_use: Callable[[str, str], bool],
    ) -> None:
        self.copies = copies
        self.store = store
        self.clock = clock
        self.default = default
        self.in_use = in_use
        self.looks: dict[str, float] = {}
        self.turn = asyncio.Lock()

    def look_again(self, project: str) -> None:
        """Its schedule was changed."""
        self.looks.pop(project, None)

    async def run(self, back_up: BackUp) -> None:
        """Back up every project that is due, one after the other."""
        async with self.turn:
            now = self.clock.now().timestamp()
            projects = await self.copies.projects()
            self.looks = {project: self.looks[project] for project in projects if project in self.looks}
            for project in projects:
                if now >= self.looks.get(project, 0.0):
                    await self._look(project, now, back_up)

    async def _look(self, project: str, now: float, back_up: BackUp) -> None:
        try:
            self.looks[project] = await self._tended(project, now, back_up)
        except BackupBusy:
            pass  # somebody asked for backup work by hand; the next run looks again
        except Problem as problem:
            self.looks[project] = now + AGAIN_SECONDS
            log.warning("a scheduled backup was not made", project=project, reason=problem.detail)

    async def _tended(self, project: str, now: float, back_up: BackUp) -> float:
        """Back the project up if it is due; give when to look again."""
        schedule = await self.store.schedule(project) or self.default
        if not schedule.every_hours:
            return now + AGAIN_SECONDS
        backups = await self.store.all(project)
        due = next_period(project, schedule, await self._last(project, backups))
        if now < due:
            return due
        changed_at = await self.copies.changed_at(project)
        newest = next((one for one in backups if one.authenticity is Authenticity.PROVED), None)
        if changed_at is not None and (newest is None or changed_at > newest.source_changed_at):
            await back_up(project)
            for old in outdated(await self.store.all(project), schedule.kept):
                if not self.in_use(project, old.id):
                    await self.store.remove(project, old.id)
        return next_period(project, schedule, now)

    async def _last(self, project: str, backups: Sequence[Backup]) -> float:
        """Give when the last scheduled backup was made; a project without one counts from its beginning."""
        now = self.clock.now().timestamp()
        for one in backups:
            if one.reason is BackupReason.SCHEDULED and one.authenticity is not Authenticity.ALTERED:
                made_at = datetime.fromisoformat(one.created_at).timestamp()
                if made_at <= now:
                    return made_at
        return await self.copies.born_at(project)


def next_period(project: str, schedule: BackupSchedule, after: float) -> float:
    """Give when the project's next period begins; both in seconds since 1970."""
    period = schedule.every_hours * HOUR_SECONDS
    shift = zlib.crc32(project.encode()) % period
    return float(((after - shift) // period + 1) * period + shift)


def outdated(backups: Sequence[Backup], kept: int) -> list[Backup]:
    """Give what retention deletes: of those made without being asked for, per reason, all but the newest `kept`.

    Altered backups neither count nor are deleted. `backups`: newest first.
    """
    ours = [one for one in backups if one.authenticity is not Authenticity.ALTERED]
    return [one for reason in BY_ITSELF for one in [one for one in ours if one.reason is reason][kept:]]
