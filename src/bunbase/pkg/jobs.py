"""Background jobs. A job repeats one piece of work, continues after failures, and stops with the process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("jobs")
_random = random.SystemRandom()

MAX_WAIT_SECONDS = 60.0
LATER_SECONDS = (0.03, 0.12)  # an answer takes 7 ms; the range makes it harder to find the run among other requests
MAX_DOUBLINGS = 16  # 16 doublings take 1 ms past MAX_WAIT_SECONDS; a much larger exponent would overflow a float


class Job:
    """Runs `work` every `every_seconds`, and also at once after `nudge()`.

    A failure is logged. With each failure in a row, the job waits longer.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[object]], every_seconds: float) -> None:
        self.name = name
        self.work = work
        self.every_seconds = every_seconds
        self._nudged = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None

    def nudge(self) -> None:
        self._nudged.set()

    def nudge_later(self) -> None:
        """Nudge after a short random time (LATER_SECONDS), so that this run of the job delays no answer of the caller.

        Symptom of a nudge at once: the answer to a request for a new password took 0.6 to 1.8 ms longer if the address
        had an account, because the job posted the mail in the same event loop before the answer was sent.
        """
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(_random.uniform(*LATER_SECONDS), self._nudge_now)

    def _nudge_now(self) -> None:
        self._later = None
        self.nudge()

    async def run(self) -> None:
        failures = 0
        while True:
            self._nudged.clear()
            try:
                await self.work()
                failures = 0
            except Problem as problem:  # such as a database that restarts: this is not a bug, and needs no stack trace
                failures += 1
                log.warning("a job failed", job=self.name, failures=failures, reason=problem.detail)
            except Exception:
                failures += 1
                log.exception("a job failed", job=self.name, failures=failures)
            try:
                async with asyncio.timeout(wait_seconds(self.every_seconds, failures)):
                    await self._nudged.wait()
            except TimeoutError:
                pass


def wait_seconds(every_seconds: float, failures: int) -> float:
    """Return the time to wait after a number of failures in a row.

    The time doubles with each failure. The time is at most MAX_WAIT_SECONDS, or `every_seconds` if this number is
    greater.
    """
    doubled: float = every_seconds * 2 ** min(failures, MAX_DOUBLINGS)
    return min(doubled, max(every_seconds, MAX_WAIT_SECONDS))


@asynccontextmanager
async def running(*jobs: Job) -> AsyncIterator[None]:
    """Run the jobs during the block."""
    tasks = [asyncio.create_task(job.run(), name=job.name) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
