"""Background work: a loop that does one thing again and again, survives its failures and stops when told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bunbase.pkg.logger import logger

log = logger("jobs")

MAX_WAIT_SECONDS = 60.0


class Job:
    """`work` runs every `every_seconds`, and at once after `nudge()`; a failure is logged and waited out."""

    def __init__(self, name: str, work: Callable[[], Awaitable[object]], every_seconds: float) -> None:
        self.name = name
        self.work = work
        self.every_seconds = every_seconds
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        self._nudged.set()

    async def run(self) -> None:
        failures = 0
        while True:
            self._nudged.clear()
            try:
                await self.work()
                failures = 0
            except Exception:
                failures += 1
                log.exception("a job failed", job=self.name, failures=failures)
            wait = min(self.every_seconds * 2**failures, max(self.every_seconds, MAX_WAIT_SECONDS))
            try:
                async with asyncio.timeout(wait):
                    await self._nudged.wait()
            except TimeoutError:
                pass


@asynccontextmanager
async def running(*jobs: Job) -> AsyncIterator[None]:
    """Run jobs while the block lasts."""
    tasks = [asyncio.create_task(job.run(), name=job.name) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
