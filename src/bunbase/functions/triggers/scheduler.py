"""Makes jobs of schedules that are due: of several processes exactly one does, and one run makes up for all missed."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from bunbase.contracts.triggers import Run, RunOutcome, TriggerKind
from bunbase.functions.store.jobs import Entry
from bunbase.functions.store.schedules import Due
from bunbase.functions.triggers.cron import next_time
from bunbase.functions.triggers.requests import cron_payload
from bunbase.functions.triggers.runner import Runner
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("functions")

UNREADABLE: Final = timedelta(days=1)  # until then a schedule waits whose time zone, for one, the machine has forgotten
MAX_AT_ONCE: Final = 500
OVERLAP: Final = "still_running"
SET_BACK: Final = timedelta(seconds=60)  # less is how clocks are kept right, and must not run anything twice


class Scheduler:
    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.stores = runner.stores
        self.clock = runner.clock
        self.looked_at = runner.clock.now()

    async def tick(self) -> None:
        now = self.clock.now()
        if now < self.looked_at - SET_BACK:
            log.warning("the clock was set back: next times of schedules are worked out again", before=self.looked_at)
            await self.stores.schedules.work_out_again(now)
        self.looked_at = now
        for _ in range(MAX_AT_ONCE):
            if not await self._one():
                break

    async def _one(self) -> bool:
        """Deal with one schedule that is due; False if there is none."""
        now = self.clock.now()
        async with self.stores.schedules.transaction():
            due = await self.stores.schedules.due(now)
            if due is None:
                return False
            try:
                following = next_time(due.spec, now)
            except InvalidInput as wrong:
                log.warning("a schedule cannot be kept", project=due.project, function=due.function, error=wrong.detail)
                due, following = msgspec.structs.replace(due, next_at=None), now + UNREADABLE  # nor is it run
            await self.stores.schedules.set_next(due.project, due.function, following)
            if due.next_at is not None:
                await self._add(due)
        self.runner.wake()
        return True

    async def _add(self, due: Due) -> None:
        assert due.next_at is not None
        now = self.clock.now()
        if not due.spec.overlap and await self.stores.jobs.cron_goes_on(due.project, due.function):
            run = Run(
                new_id("run"), due.function, 0, TriggerKind.CRON, None, 0, now, 0.0, RunOutcome.SKIPPED, OVERLAP, ""
            )
            await self.runner.record(due.project, run)
            return
        payload = cron_payload(due.next_at)
        entry = Entry(new_id("job"), due.function, TriggerKind.CRON, payload, None, 0, due.next_at, 1)
        await self.stores.jobs.add(due.project, entry, now)
