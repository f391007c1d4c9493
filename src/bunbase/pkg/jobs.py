"""Background work: a loop that does one thing again and again, survives its failures and stops when told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bunbase.pkg.logger import logger

log = logger("jobs")

MAX_WAIT_SECONDS = 60.0
MAX_DOUBLINGS = 16  # enough to reach that from a millisecond; many more would not fit into a float


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
            try:
                async with asyncio.timeout(wait_seconds(self.every_seconds, failures)):
                    await self._nudged.wait()
            except TimeoutError:
                pass


def wait_seconds(every_seconds: float, failures: int) -> float:
    """Give how long to wait after so many failures in a row: twice as long each time, at most a minute or the usual."""
    doubled: float = every_seconds * 2 ** min(failures, MAX_DOUBLINGS)
    return min(doubled, max(every_seconds, MAX_WAIT_SECONDS))


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
