"""What functions did, hour by hour: calls and how they ended, how long they took, what is to be paid for.

Kept in memory for a moment and added up in PostgreSQL, so a number that is lost to kill -9 is one of the last seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from bunbase.functions.durations import BUCKETS, bucket_of
from bunbase.functions.store.hours import Hour
from bunbase.functions.workers.call import Call, Outcome
from bunbase.functions.workers.deployment import Deployment
from bunbase.functions.workers.worker import Worker
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("functions")

MAX_KEPT: Final = 20_000  # functions of an hour, while the database is away; then the counts of others are lost
BATCH: Final = 1_000
HOUR: Final = timedelta(hours=1)

Add = Callable[[Sequence[Hour]], Awaitable[None]]


class Counts:
    """Of one function in one hour, since they were last written."""

    def __init__(self) -> None:
        self.calls = self.errors = self.refused = self.cold = 0
        self.gb_seconds = self.cpu_ms = self.peak_mb = 0.0
        self.buckets = [0] * BUCKETS


class Meter:
    def __init__(self, add: Add, clock: Clock) -> None:
        self.add = add
        self.clock = clock
        self.counts: dict[tuple[str, str, datetime], Counts] = {}
        self.hour = hour_of(clock.now())
        self.writing = asyncio.Lock()

    def ended(self, worker: Worker, call: Call, outcome: Outcome, seconds: float) -> None:
        """Count a call that a worker had."""
        _outcomes(outcome).inc()
        metrics.execution_seconds.observe(seconds)
        counts = self._of(worker.deployment)
        if counts is None:
            return
        counts.calls += 1
        counts.errors += outcome not in (Outcome.OK, Outcome.CANCELLED)
        counts.cold += call.cold
        counts.gb_seconds += seconds * worker.deployment.config.memory_mb / 1024
        counts.cpu_ms += worker.cpu.take()
        counts.peak_mb = max(counts.peak_mb, worker.peak_mb)
        counts.buckets[bucket_of(seconds)] += 1

    def died(self, worker: Worker) -> None:
        """Count what it burnt behind its last call."""
        if (counts := self._of(worker.deployment)) is not None:
            counts.cpu_ms += worker.cpu.take()

    def refused(self, deployment: Deployment, why: str) -> None:
        """Count a call that no worker had."""
        _outcomes(why).inc()
        if (counts := self._of(deployment)) is not None:
            counts.refused += 1

    async def flush(self) -> None:
        """Write everything; what cannot be written is kept for the next time."""
        async with self.writing:
            while self.counts:
                taken = [(key, self.counts.pop(key)) for key in list(self.counts)[:BATCH]]
                try:
                    await self.add([_row(*key, counts) for key, counts in taken])
                except BaseException:
                    for key, counts in taken:
                        self._give_back(key, counts)
                    raise

    async def close(self) -> None:
        try:
            await self.flush()
        except Problem as problem:
            log.warning("the last counts of function calls were lost", error=problem.detail)

    def forget(self, project: str) -> None:
        for key in [key for key in self.counts if key[0] == project]:
            del self.counts[key]

    def _of(self, deployment: Deployment) -> Counts | None:
        now = self.clock.now()
        if not self.hour <= now < self.hour + HOUR:  # to round the time down with every call costs more
            self.hour = hour_of(now)
        key = (deployment.project, deployment.name, self.hour)
        found = self.counts.get(key)
        if found is None and len(self.counts) < MAX_KEPT:
            found = self.counts[key] = Counts()
        return found

    def _give_back(self, key: tuple[str, str, datetime], counts: Counts) -> None:
        newer = self.counts.setdefault(key, counts)
        if newer is counts:
            return
        for name in ("calls", "errors", "refused", "cold", "gb_seconds", "cpu_ms"):
            setattr(newer, name, getattr(newer, name) + getattr(counts, name))
        newer.peak_mb = max(newer.peak_mb, counts.peak_mb)
        newer.buckets = [a + b for a, b in zip(newer.buckets, counts.buckets, strict=True)]


def hour_of(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def first_hour(now: datetime, hours: int) -> datetime:
    """Give the first of so many hours, of which the running one is the last."""
    return hour_of(now) - timedelta(hours=hours - 1)


def _row(project: str, function: str, hour: datetime, counts: Counts) -> Hour:
    return Hour(project, function, hour, **_fields(counts))


def _fields(counts: Counts) -> dict[str, Any]:
    return vars(counts)


_outcomes: Final = cache(metrics.invocations.labels)  # a handful
