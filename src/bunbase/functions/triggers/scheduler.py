"""Adds a job for each schedule that is due.

Exactly one process handles each due time: the process that locks the schedule's row first. If several due times have
passed while no server ran, the function runs once for all of them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from bunbase.contracts.functions.triggers import JobStatus, Run, RunOutcome, TriggerKind
from bunbase.functions.store.jobs import JobRow
from bunbase.functions.store.schedules import DueSchedule, ScheduleStore
from bunbase.functions.triggers.cron import next_time
from bunbase.functions.triggers.queue import Queue
from bunbase.functions.triggers.records import RunRecords
from bunbase.functions.triggers.requests import cron_payload
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("functions")

# A schedule that cannot be read is tried again after this time. For example, the machine may lack its time zone.
UNREADABLE: Final = timedelta(days=1)
MAX_AT_ONCE: Final = 500
# These codes of a skipped run mean that the previous run is still running, or that it could not begin yet.
STILL_RUNNING: Final = "still_running"
STILL_WAITING: Final = "still_waiting"
SET_BACK: Final = timedelta(seconds=60)  # Smaller steps are usual corrections of the clock, and change nothing.


class Scheduler:
    def __init__(self, schedules: ScheduleStore, queue: Queue, records: RunRecords) -> None:
        self.schedules = schedules
        self.queue = queue
        self.records = records
        self.clock = records.clock
        self.looked_at = records.clock.now()

    async def tick(self) -> None:
        """Add the jobs of all schedules that are due."""
        now = self.clock.now()
        if now < self.looked_at - SET_BACK:
            # The clock was far in the future for a while. Next times that were computed then would stop all schedules
            # until they come.
            log.warning("the clock was set back: the next times of schedules are computed again", before=self.looked_at)
            await self.schedules.work_out_again(now)
        self.looked_at = now
        for _ in range(MAX_AT_ONCE):
            if not await self._handle_one():
                break

    async def _handle_one(self) -> bool:
        """Set the next time of one due schedule and add its job. Return False if no schedule is due."""
        now = self.clock.now()
        async with self.schedules.transaction():
            due = await self.schedules.due(now)
            if due is None:
                return False
            try:
                following = next_time(due.spec, now)
            except InvalidInput as wrong:
                log.warning("a schedule cannot be kept", project=due.project, function=due.function, error=wrong.detail)
                # This sets a time without adding a run.
                due, following = msgspec.structs.replace(due, next_at=None), now + UNREADABLE
            await self.schedules.set_next(due.project, due.function, following)
            if due.next_at is not None:
                await self._add(due)
        self.queue.on_added()
        return True

    async def _add(self, due: DueSchedule) -> None:
        assert due.next_at is not None
        now = self.clock.now()
        before = None if due.spec.overlap else await self.queue.store.unfinished_schedule(due.project, due.function)
        if before is not None:
            code = STILL_RUNNING if before is JobStatus.RUNNING else STILL_WAITING
            run = Run(new_id("run"), due.function, 0, TriggerKind.CRON, None, 0, now, 0.0, RunOutcome.SKIPPED, code, "")
            await self.records.record(due.project, run)
            return
        payload = cron_payload(due.next_at)
        row = JobRow(new_id("job"), due.function, TriggerKind.CRON, payload, None, 0, due.next_at, 1)
        await self.queue.store.add(due.project, row, now)
