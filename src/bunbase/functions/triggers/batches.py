"""Makes a batch of a claimed change: adds further changes that the same call can handle.

The life of a batch:

1. The runner has claimed one change. If the active version of its function has `max_batch`, `around` claims other due
   changes of the function, and takes the changes that wait behind them for the same documents.
2. `attempts.py` builds the body (`body_of`). Changes that would make the body larger than MAX_BODY_BYTES are put back.
3. If the call succeeds, one transaction deletes all jobs. If the call fails for the first time, all jobs are retried
   together, after the usual wait. If the call fails again, the jobs are retried at once in batches of half the size.
   The batch is halved until the failing change is alone. From then on, this change is an ordinary job with its own
   attempts.

So a job, a retry and a dead letter always belong to a single change, and only a call has several. Only one number,
`together` of a job, must survive a restart. Record: docs/decisions/0080-changes-keep-the-document-before-them.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from bunbase.contracts.functions.triggers import TriggerKind
from bunbase.functions.store.batches import Batch, BatchStore
from bunbase.functions.store.jobs import ClaimedJob
from bunbase.functions.triggers.records import RunRecords
from bunbase.functions.workers.deployment import Deployment
from bunbase.pkg.errors import Problem

MAX_BODY_BYTES: Final = 1 << 20  # A single change that is larger forms its own batch.


class Batches:
    """Makes batches. `find(project, name)` returns the active deployment of a function."""

    def __init__(
        self,
        store: BatchStore,
        records: RunRecords,
        find: Callable[[str, str], Awaitable[Deployment]],
        max_put_off_seconds: float,
    ) -> None:
        self.store = store
        self.holder = records.holder
        self.clock = records.clock
        self.find = find
        self.max_put_off = timedelta(seconds=max_put_off_seconds)

    async def around(self, first: ClaimedJob, lease: timedelta, running: Sequence[int]) -> Batch:
        """Return the batch of a claimed job, which may contain only this job.

        `running`: the jobs that run in this process.

        `first` is the first head of the batch, but other jobs of the batch may be older.
        """
        try:
            most = await self._most(first)
            return await self._filled(first, lease, running, most) if most > 1 else Batch((first,))
        except Problem:
            return Batch((first,))  # The attempt raises the same problem, and decides about the job.

    async def _filled(self, first: ClaimedJob, lease: timedelta, running: Sequence[int], most: int) -> Batch:
        now = self.clock.now()
        more = await self.store.claim_more(
            first, self.holder, now, now + lease, now - self.max_put_off, running, most - 1
        )
        heads = (first, *more)
        if len(heads) == most:
            return Batch(heads)
        return Batch(heads, _in_order(first, await self.store.followers(heads, most - len(heads))))

    async def put_back(self, batch: Batch, kept: Batch) -> None:
        """Release the jobs of `batch` that are not in `kept`."""
        if heads := [head for head in batch.heads if head not in kept.heads]:
            await self.store.put_back(heads, self.holder, self.clock.now())

    def is_put_off_too_long(self, job: ClaimedJob) -> bool:
        """True if the job has been postponed for longer than `max_put_off_seconds`."""
        return job.put_off_since is not None and self.clock.now() - job.put_off_since >= self.max_put_off

    async def _most(self, first: ClaimedJob) -> int:
        """Return the maximum number of jobs of the batch. A job that was lost or put off for too long runs alone."""
        if first.kind is not TriggerKind.CHANGE or first.lost or self.is_put_off_too_long(first):
            return 1
        config = (await self.find(first.project, first.function)).config
        return min(config.max_batch or 1, first.together or config.max_batch or 1)


async def body_of(batch: Batch, event: Callable[[ClaimedJob], Awaitable[bytes]]) -> tuple[bytes, int]:
    """Return the body of a call with `max_batch`, and the number of jobs in it, which are the oldest jobs.

    `event(job)` returns the change as JSON.
    """
    events: list[msgspec.Raw] = []
    size = 0
    for job in batch.jobs:
        one = await event(job)
        size += len(one)
        if events and size > MAX_BODY_BYTES:
            break
        events.append(msgspec.Raw(b'{"job":' + msgspec.json.encode(job.id) + b"," + one[1:]))
    return msgspec.json.encode({"events": events}), len(events)


def _in_order(first: ClaimedJob, followers: Sequence[ClaimedJob]) -> tuple[ClaimedJob, ...]:
    """Return the followers that may be in a batch with `first`.

    In each lane, these are the followers before the first follower that may not be in the batch.
    """
    taken: list[ClaimedJob] = []
    closed: set[str | None] = set()
    for job in followers:
        if (job.attempt, job.depth, job.together) != (first.attempt - 1, first.depth, first.together):
            closed.add(job.lane)
        if job.lane not in closed:
            taken.append(job)
    return tuple(taken)
