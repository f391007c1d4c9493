"""Counts calls of functions by the hour: how they ended, how long they took, and the amounts that are billed.

The counts stay in memory for a few seconds. After that, `pkg/usage` writes statistics and usage as one numbered batch,
which PostgreSQL adds exactly once. If a server is killed, it loses only the counts of its last seconds.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Final

from bunbase.functions.store.hours import Hour
from bunbase.functions.usage.durations import BUCKETS, bucket_of
from bunbase.functions.workers.call import Call, Outcome
from bunbase.functions.workers.deployment import Deployment
from bunbase.functions.workers.worker import Worker
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock
from bunbase.pkg.usage.dimensions import Dimension
from bunbase.pkg.usage.writer import Deliver, Writer

# The limit of functions and hours with separate counts in memory, which is reached only while the database is
# unreachable. Above the limit, calls of further functions count for the bill of their project, but not for statistics.
MAX_KEPT: Final = 20_000
UNNAMED: Final = ""  # All further functions of a project are counted under this name.


class CallCounts:
    """The counts of one function in one hour that are not written yet."""

    def __init__(self) -> None:
        self.calls = self.errors = self.refused = self.cold = 0
        self.mb_us = self.cpu_us = 0
        self.peak_mb = 0.0
        self.buckets = [0] * BUCKETS


class Meter:
    def __init__(self, add: Deliver[Hour], clock: Clock) -> None:
        self.counts: dict[tuple[str, str, datetime], CallCounts] = {}
        self.rests: dict[str, int] = {}  # For each project, these thousandths of FN_MB_MS are added to the next batch.
        self.writer = Writer(add, clock, self._rows)
        self.usage = self.writer.usage

    def count_call(self, worker: Worker, call: Call, outcome: Outcome, seconds: float) -> None:
        """Count a call that a worker ran."""
        _outcomes(outcome).inc()
        metrics.execution_seconds.observe(seconds)
        counts = self._of(worker.deployment)
        if counts is None:
            return
        counts.calls += 1
        counts.errors += outcome not in (Outcome.OK, Outcome.CANCELLED)
        counts.cold += call.cold
        counts.mb_us += round(seconds * 1_000_000) * worker.deployment.config.memory_mb
        counts.cpu_us += round(worker.cpu.take() * 1000)
        counts.peak_mb = max(counts.peak_mb, worker.peak_mb)
        counts.buckets[bucket_of(seconds)] += 1

    def count_death(self, worker: Worker) -> None:
        """Count the processor time that a worker used after its last call."""
        if (counts := self._of(worker.deployment)) is not None:
            counts.cpu_us += round(worker.cpu.take() * 1000)

    def count_refusal(self, deployment: Deployment, why: str) -> None:
        """Count a call that no worker ran."""
        _outcomes(why).inc()
        if (counts := self._of(deployment)) is not None:
            counts.refused += 1

    async def flush(self) -> None:
        """Write all counts. Counts that cannot be written stay in memory for the next time."""
        await self.writer.flush()

    async def close(self) -> None:
        await self.writer.close()

    def _of(self, deployment: Deployment) -> CallCounts | None:
        self.usage.turn_to(self.writer.now())
        key = (deployment.project, deployment.name, self.usage.hour)
        return self.counts.get(key) or self._new(*key)

    def _new(self, project: str, function: str, hour: datetime) -> CallCounts | None:
        if len(self.counts) >= MAX_KEPT:
            metrics.counts_dropped.inc()
            function = UNNAMED
            if (project, function, hour) not in self.counts and len(self.counts) >= 2 * MAX_KEPT:
                metrics.usage_dropped.labels(Dimension.FN_CALLS.name.lower()).inc()
                return None
        return self.counts.setdefault((project, function, hour), CallCounts())

    def _rows(self) -> list[Hour]:
        """Return all statistics, and start counting from zero.

        The rows are sorted, so that two writers cannot deadlock.

        Billed amounts are added to the usage here. Adding them with every call would cost about 2 µs each.
        """
        taken, self.counts = sorted(self.counts.items(), key=lambda item: item[0]), {}
        for (project, _, hour), counts in taken:
            self.usage.turn_to(hour)
            self._use(project, counts)
        self.usage.turn_to(self.writer.now())
        if len(self.rests) > MAX_KEPT:
            self.rests = {}
        return [_row(*key, counts) for key, counts in taken if key[1] != UNNAMED]

    def _use(self, project: str, counts: CallCounts) -> None:
        whole, self.rests[project] = divmod(counts.mb_us + self.rests.get(project, 0), 1000)
        self.usage.add(project, Dimension.FN_CALLS, counts.calls)
        self.usage.add(project, Dimension.FN_MB_MS, whole)
        self.usage.add(project, Dimension.FN_CPU_US, counts.cpu_us)


def _row(project: str, function: str, hour: datetime, counts: CallCounts) -> Hour:
    return Hour(
        project,
        function,
        hour,
        calls=counts.calls,
        errors=counts.errors,
        refused=counts.refused,
        cold=counts.cold,
        gb_seconds=counts.mb_us / 1_024_000_000,
        cpu_ms=counts.cpu_us / 1000,
        peak_mb=counts.peak_mb,
        buckets=counts.buckets,
    )


_outcomes: Final = cache(metrics.invocations.labels)  # There are fewer than ten outcomes.
