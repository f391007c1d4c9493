"""Follows the changes of documents and objects in projects with data triggers, and adds a job for each change.

The life of one change:

1. Bundoc or Storage writes the change into the project's change log, in the same transaction as the document or the
   object. Each change has a number, and the numbers of a log grow.
2. One process follows the log, under a lease (`keep`). Each function with data triggers has a row for each log, called
   its subscription, with a cursor: the number of the last change that was handled. The process waits in a long poll
   (`turn`) for changes after the lowest cursor of the log.
3. For each subscription, the log (`document_changes.py`, `object_changes.py`) selects the changes that the triggers
   want.
4. One transaction moves the cursor to the last change of the batch and adds the jobs. If the cursor has changed in the
   meantime, nothing is added. So a process that lost its lease without noticing cannot add a job twice, and a crash
   cannot lose a change.

Difficult cases, each with a test in tests/functions/triggers:

- The change log is bounded and no longer holds the next change, or a restored log ends before a cursor. In this case,
  the log raises ResyncRequired. The subscription continues with the newest change, and the function's log names the
  changes that it missed.
- The writes of a function trigger the same function. Each change contains the length of the chain of runs that led to
  it.
  If this length exceeds MAX_DEPTH, the change becomes a dead letter instead of a job
  (docs/decisions/0028-chains-of-runs-have-an-end.md).
- The queue is full. The cursor stays, and the change log keeps the changes until the queue has space.

Two alternatives were rejected. With a NOTIFY for each change, a process that is down would miss changes. If Bundoc
pushed the changes, Bundoc would need to know the subscriptions (docs/decisions/0021-every-trigger-is-a-job.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

import msgspec

from bunbase.contracts.bundoc.problems import ResyncRequired
from bunbase.contracts.functions.triggers import ChainTooLong, DataTrigger, QueueFull, Run, RunOutcome, TriggerKind
from bunbase.functions.logs.warnings import Warn
from bunbase.functions.store.jobs import ChangeJob
from bunbase.functions.store.subscriptions import Feed, Source, Subscription, SubscriptionStore
from bunbase.functions.triggers.queue import MAX_DEPTH, Queue
from bunbase.functions.triggers.records import RunRecords
from bunbase.pkg.context import deadline_in
from bunbase.pkg.errors import Problem
from bunbase.pkg.ids import new_id
from bunbase.pkg.jobs import wait_seconds
from bunbase.pkg.logger import logger

log = logger("functions")

LEASE: Final = timedelta(seconds=15)
TAKEN_AT_ONCE: Final = 64  # The number is small, so that processes that start at the same time share the projects.
BATCH: Final = 100
LONG_POLL_SECONDS: Final = 20.0
DEADLINE_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 1.0
# If a subscription has no cursor for this time, an earlier build was interrupted.
ORPHANED: Final = timedelta(seconds=60)
# This is greater than the number of any change. A request for later changes returns the newest number.
NEWEST: Final = 2**62


class ChangeLog(Protocol):
    """The change logs of all projects in one room. Each change has a number (`seq`)."""

    async def since(self, project: str, since: int, limit: int, wait_seconds: float) -> Any:
        """Return a page of changes (`items`), and the `since` of the next page (`next`). Raises: ResyncRequired."""
        ...

    async def wanted(
        self, project: str, function: str, triggers: Sequence[DataTrigger], changes: Sequence[Any]
    ) -> Sequence[Any]:
        """Return the changes that match one of the triggers, in their order."""
        ...

    def job(self, change: Any) -> ChangeJob: ...


class Feeds:
    """Follows change logs. `max_followed`: the limit of simultaneous long polls; further logs take turns."""

    def __init__(
        self,
        subscriptions: SubscriptionStore,
        queue: Queue,
        logs: Mapping[Source, ChangeLog],
        records: RunRecords,
        warn: Warn,
        max_followed: int,
    ) -> None:
        self.subscriptions = subscriptions
        self.queue = queue
        self.logs = logs
        self.records = records
        self.warn = warn
        self.max_followed = max_followed
        self.clock = records.clock
        self.holder = records.holder
        self.turns = asyncio.Semaphore(max_followed)
        self.followed: dict[Feed, asyncio.Task[None]] = {}
        self.full: set[Feed] = set()  # logs that wait for room in the queue, and whose functions have been warned

    async def keep(self) -> None:
        """Extend the leases of this process, lease logs that nobody follows, and stop after a lost lease."""
        now = self.clock.now()
        held = set(await self.subscriptions.hold(self.holder, now, now + LEASE, TAKEN_AT_ONCE))
        self.full &= held
        for feed in self.followed.keys() - held:
            self.followed.pop(feed).cancel()
        for feed in held - self.followed.keys():
            self.followed[feed] = asyncio.create_task(self._follow(feed))

    async def forget(self) -> None:
        """Delete the leases of logs without subscriptions."""
        await self.subscriptions.forget(self.clock.now())

    async def close(self) -> None:
        for task in self.followed.values():
            task.cancel()
        await asyncio.gather(*self.followed.values(), return_exceptions=True)
        await self.subscriptions.let_go(self.holder)

    async def newest(self, feed: Feed) -> int:
        """Return the number of the newest change."""
        try:
            newest: int = (await self.logs[feed.source].since(feed.project, NEWEST, 1, 0)).next
        except ResyncRequired as told:
            newest = told.extra["last"]
        return newest

    async def _follow(self, feed: Feed) -> None:
        failures = 0
        while True:
            try:
                async with self.turns:
                    waited = await self.turn(feed, self._long_poll_seconds())
                failures = 0
            except Problem as problem:
                failures += 1
                waited = False
                log.warning("changes cannot be followed", **_named(feed), error=problem.detail, failures=failures)
            except Exception:
                failures += 1
                waited = False
                log.exception("changes cannot be followed", **_named(feed), failures=failures)
            if not waited:
                await asyncio.sleep(wait_seconds(PAUSE_SECONDS, failures))

    def _long_poll_seconds(self) -> float:
        """Return the seconds of a long poll.

        Return 0 if logs take turns, because a long poll would delay the other logs.
        """
        return LONG_POLL_SECONDS if len(self.followed) <= self.max_followed else 0.0

    async def turn(self, feed: Feed, wait: float) -> bool:
        """Add the jobs of the next changes. Return False if a pause should follow.

        `wait`: the seconds of the long poll.
        """
        known = await self._subscriptions(feed)
        if not known:
            return False
        since, furthest = min(one.cursor for one in known), max(one.cursor for one in known)
        changes_of = self.logs[feed.source].since
        try:
            with deadline_in(DEADLINE_SECONDS):
                changes = await changes_of(feed.project, since, BATCH, wait)
                if len(changes.items) < BATCH and changes.next < furthest:
                    # A restored backup may have a log that ends before a cursor. Reading from the lowest cursor does
                    # not show this. Before, such a subscription waited without a message until the log reached its
                    # cursor, and never saw the changes before that. A read from the cursor raises ResyncRequired.
                    await changes_of(feed.project, furthest, 1, 0)
        except ResyncRequired as gone:
            await self._resync(feed, known, gone)
            return True
        if not changes.items:
            self.full.discard(feed)
            return wait > 0
        # The subscriptions are read again, because a deployment may have changed them.
        for subscription in await self._subscriptions(feed):
            if subscription.cursor >= since:
                try:
                    await self._hand_on(feed, subscription, changes)
                except QueueFull as full:  # The change log keeps the changes until the queue has space.
                    await self._warn_once(feed, subscription.function, full)
                    return False
        return True

    async def _warn_once(self, feed: Feed, function: str, full: QueueFull) -> None:
        if feed not in self.full:
            self.full.add(feed)
            of = f"Changes of {feed.source.value} wait because the queue is full: {full.detail}"
            await self.warn(feed.project, function, of)

    async def _subscriptions(self, feed: Feed) -> list[Subscription]:
        """Return the subscriptions with a cursor.

        If an earlier build has left a subscription without a cursor, set the cursor.
        """
        found = await self.subscriptions.of(feed, self.clock.now() - ORPHANED)
        for orphan in found.orphans:
            await self.subscriptions.begin(feed, orphan, await self.newest(feed))
        return found.known

    async def _hand_on(self, feed: Feed, to: Subscription, changes: Any) -> None:
        """Add the jobs of one function and move its cursor, in one transaction. Raises: QueueFull."""
        if to.cursor >= changes.next:
            return
        of, project = self.logs[feed.source], feed.project
        new = [change for change in changes.items if change.seq > to.cursor]
        wanted = [of.job(one) for one in await of.wanted(project, to.function, to.triggers, new)]
        jobs = [one for one in wanted if one.depth <= MAX_DEPTH]
        endless = [one for one in wanted if one.depth > MAX_DEPTH]
        if jobs:
            await self.queue.check_room(project)
        async with self.subscriptions.transaction():
            if not await self.subscriptions.advance(feed, to.function, to.cursor, changes.next):
                return
            if jobs:
                await self.queue.add_changes(project, to.function, jobs)
            if endless:
                await self.queue.bury_changes(project, to.function, endless)
        if jobs:
            self.queue.on_added()
        if endless:
            await self._warn_of_circle(project, to.function, endless)

    async def _warn_of_circle(self, project: str, function: str, endless: Sequence[ChangeJob]) -> None:
        await self.warn(
            project,
            function,
            f"{len(endless)} changes, the first of {endless[0].lane}, did not run the function ({ChainTooLong.code}): "
            f"{MAX_DEPTH + 1} runs in a row have each caused the next one. Let `where` or `prefix` exclude "
            "what functions write, or check before you write; see docs/functions.md#circles.",
        )

    async def _resync(self, feed: Feed, known: Sequence[Subscription], gone: ResyncRequired) -> None:
        """Move each cursor whose next change is missing in the log to the newest change. Warn in the function's log."""
        first, last = gone.extra["first"], gone.extra["last"]
        for one in known:
            if first <= one.cursor <= last:
                continue
            if not await self.subscriptions.advance(feed, one.function, one.cursor, last):
                continue
            missed = f"Changes of {feed.source.value} from {one.cursor} to {last} were not seen: {gone.detail}"
            await self.warn(feed.project, one.function, missed)
            run = Run(
                new_id("run"), one.function, 0, TriggerKind.CHANGE, None, 0, self.clock.now(), 0.0,
                RunOutcome.RESYNC, gone.code, "",
            )  # fmt: skip
            await self.records.record(feed.project, run)


def source_of(trigger: DataTrigger) -> Source:
    """Return the change log that a trigger follows."""
    return Source.DOCUMENTS if trigger.bucket is msgspec.UNSET else Source.OBJECTS


def _named(feed: Feed) -> dict[str, str]:
    return {"project": feed.project, "source": feed.source.value}
