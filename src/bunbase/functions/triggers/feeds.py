"""Follows the changes of documents in projects whose functions have data triggers, and adds a job for each change.

The life of one change:

1. Bundoc writes the change into the project's change log, in the same transaction as the document. Each change has a
   number, and the numbers grow.
2. One process follows the project, under a lease (`keep`). Each function with data triggers has a row, called its
   subscription, with a cursor: the number of the last change that was handled. The process waits in a long poll of
   `Bundoc.changes` (`turn`) for changes after the lowest cursor of the project.
3. For each subscription, `_wanted` selects changes by collection, operation and filter. Bundoc evaluates the filters
   (`filters.py`) on the changed documents.
4. One transaction moves the cursor to the last change of the batch and adds the jobs. If the cursor has changed in the
   meantime, nothing is added. So a process that lost its lease without noticing cannot add a job twice, and a crash
   cannot lose a change.

Difficult cases, each with a test in tests/functions/triggers:

- The change log is bounded and no longer holds the next change, or a restored log ends before a cursor. In this case,
  Bundoc raises ResyncRequired. The subscription continues with the newest change, and the function's log names the
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
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bunbase.contracts.bundoc.documents import ChangeEntry, Changes
from bunbase.contracts.bundoc.problems import CollectionNotFound, InvalidQuery, QueryNeedsIndex, ResyncRequired
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.triggers import ChainTooLong, DataTrigger, QueueFull, Run, RunOutcome, TriggerKind
from bunbase.functions.logs.warnings import Warn
from bunbase.functions.store.jobs import ChangeJob
from bunbase.functions.store.subscriptions import Subscription, SubscriptionStore
from bunbase.functions.triggers.filters import matching
from bunbase.functions.triggers.queue import MAX_DEPTH, Queue
from bunbase.functions.triggers.records import RunRecords
from bunbase.functions.triggers.requests import change_payload
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


class Feeds:
    """Follows projects. `max_followed`: the limit of simultaneous long polls; further projects take turns."""

    def __init__(
        self,
        subscriptions: SubscriptionStore,
        queue: Queue,
        bundoc: Bundoc,
        records: RunRecords,
        warn: Warn,
        max_followed: int,
    ) -> None:
        self.subscriptions = subscriptions
        self.queue = queue
        self.bundoc = bundoc
        self.records = records
        self.warn = warn
        self.max_followed = max_followed
        self.clock = records.clock
        self.holder = records.holder
        self.turns = asyncio.Semaphore(max_followed)
        self.followed: dict[str, asyncio.Task[None]] = {}
        self.full: set[str] = set()  # Projects whose queue is full, and whose functions have already been warned.

    async def keep(self) -> None:
        """Extend the leases of this process, lease projects that nobody follows, and stop after a lost lease."""
        now = self.clock.now()
        held = set(await self.subscriptions.hold(self.holder, now, now + LEASE, TAKEN_AT_ONCE))
        self.full &= held
        for project in self.followed.keys() - held:
            self.followed.pop(project).cancel()
        for project in held - self.followed.keys():
            self.followed[project] = asyncio.create_task(self._follow(project))

    async def forget(self) -> None:
        """Delete the leases of projects without subscriptions."""
        await self.subscriptions.forget(self.clock.now())

    async def close(self) -> None:
        for task in self.followed.values():
            task.cancel()
        await asyncio.gather(*self.followed.values(), return_exceptions=True)
        await self.subscriptions.let_go(self.holder)

    async def newest(self, project: str) -> int:
        """Return the number of the newest change."""
        try:
            return (await self.bundoc.changes(_project_caller(project), NEWEST, 1, 0)).next
        except ResyncRequired as told:
            last: int = told.extra["last"]
            return last

    async def _follow(self, project: str) -> None:
        failures = 0
        while True:
            try:
                async with self.turns:
                    waited = await self.turn(project, self._long_poll_seconds())
                failures = 0
            except Problem as problem:
                failures += 1
                waited = False
                log.warning("changes cannot be followed", project=project, error=problem.detail, failures=failures)
            except Exception:
                failures += 1
                waited = False
                log.exception("changes cannot be followed", project=project, failures=failures)
            if not waited:
                await asyncio.sleep(wait_seconds(PAUSE_SECONDS, failures))

    def _long_poll_seconds(self) -> float:
        """Return the seconds of a long poll.

        Return 0 if projects take turns, because a long poll would delay the other projects.
        """
        return LONG_POLL_SECONDS if len(self.followed) <= self.max_followed else 0.0

    async def turn(self, project: str, wait: float) -> bool:
        """Add the jobs of the next changes. Return False if a pause should follow.

        `wait`: the seconds of the long poll.
        """
        known = await self._subscriptions(project)
        if not known:
            return False
        since, furthest = min(one.cursor for one in known), max(one.cursor for one in known)
        try:
            with deadline_in(DEADLINE_SECONDS):
                changes = await self.bundoc.changes(_project_caller(project), since, BATCH, wait)
                if len(changes.items) < BATCH and changes.next < furthest:
                    # A restored backup may have a log that ends before a cursor. A read from the lowest cursor does not
                    # show this. Before, such a subscription waited without a message until the log reached its cursor,
                    # and never saw the changes before that. A read from the cursor raises ResyncRequired.
                    await self.bundoc.changes(_project_caller(project), furthest, 1, 0)
        except ResyncRequired as gone:
            await self._resync(project, known, gone)
            return True
        if not changes.items:
            self.full.discard(project)
            return wait > 0
        # The subscriptions are read again, because a deployment may have changed them.
        for subscription in await self._subscriptions(project):
            if subscription.cursor >= since:
                try:
                    await self._hand_on(project, subscription, changes)
                except QueueFull as full:  # The change log keeps the changes until the queue has space.
                    await self._warn_once(project, subscription.function, full)
                    return False
        return True

    async def _warn_once(self, project: str, function: str, full: QueueFull) -> None:
        if project not in self.full:
            self.full.add(project)
            await self.warn(project, function, f"Changes of documents wait because the queue is full: {full.detail}")

    async def _subscriptions(self, project: str) -> list[Subscription]:
        """Return the subscriptions with a cursor.

        If an earlier build has left a subscription without a cursor, set the cursor.
        """
        found = await self.subscriptions.of(project, self.clock.now() - ORPHANED)
        for orphan in found.orphans:
            await self.subscriptions.begin(project, orphan, await self.newest(project))
        return found.known

    async def _hand_on(self, project: str, to: Subscription, changes: Changes) -> None:
        """Add the jobs of one function and move its cursor, in one transaction. Raises: QueueFull."""
        if to.cursor >= changes.next:
            return
        new = [change for change in changes.items if change.seq > to.cursor]
        wanted = await self._wanted(project, to, new)
        jobs = [_job(one) for one in wanted if one.depth <= MAX_DEPTH]
        endless = [one for one in wanted if one.depth > MAX_DEPTH]
        if jobs:
            await self.queue.check_room(project)
        async with self.subscriptions.transaction():
            if not await self.subscriptions.advance(project, to.function, to.cursor, changes.next):
                return
            if jobs:
                await self.queue.add_changes(project, to.function, jobs)
            if endless:
                await self.queue.bury_changes(project, to.function, [_job(one) for one in endless])
        if jobs:
            self.queue.on_added()
        if endless:
            await self._warn_of_circle(project, to.function, endless)

    async def _warn_of_circle(self, project: str, function: str, endless: Sequence[ChangeEntry]) -> None:
        which = f"{endless[0].collection}/{endless[0].id}"
        await self.warn(
            project,
            function,
            f"{len(endless)} changes, the first of {which}, did not run the function ({ChainTooLong.code}): "
            f"{MAX_DEPTH + 1} runs in a row have each caused the next one. Let `where` exclude documents that "
            "functions write, or check the document before you write it; see docs/functions.md#circles.",
        )

    async def _wanted(self, project: str, by: Subscription, changes: Sequence[ChangeEntry]) -> list[ChangeEntry]:
        """Return the changes that match one of the function's triggers, in their order."""
        wanted: set[int] = set()
        for trigger in by.triggers:
            matched = [one for one in changes if one.collection == trigger.collection and one.op in trigger.ops]
            if matched and trigger.where is not None:
                ids = await self._matching(project, by.function, trigger, {one.id for one in matched})
                matched = [one for one in matched if one.id in ids]
            wanted |= {one.seq for one in matched}
        return [one for one in changes if one.seq in wanted]

    async def _matching(self, project: str, function: str, trigger: DataTrigger, ids: set[str]) -> set[str]:
        """Return the ids of the documents that match the trigger's filter now, and not at the time of the change.

        The deployment has checked the filter, so the filter fails only if an index was dropped later. In this case, the
        function's log gets a warning and the changes are skipped. Trying again forever would stop all triggers of the
        project.
        """
        try:
            return await matching(self.bundoc, _project_caller(project), trigger, sorted(ids))
        except CollectionNotFound:
            return set()
        except (InvalidQuery, QueryNeedsIndex) as wrong:
            await self.warn(project, function, f"The filter of a trigger on {trigger.collection} fails: {wrong.detail}")
            return set()

    async def _resync(self, project: str, known: Sequence[Subscription], gone: ResyncRequired) -> None:
        """Move each cursor whose next change is missing in the log to the newest change. Warn in the function's log."""
        first, last = gone.extra["first"], gone.extra["last"]
        for one in known:
            if first <= one.cursor <= last:
                continue
            if not await self.subscriptions.advance(project, one.function, one.cursor, last):
                continue
            await self.warn(project, one.function, f"Changes from {one.cursor} to {last} were not seen: {gone.detail}")
            run = Run(
                new_id("run"), one.function, 0, TriggerKind.CHANGE, None, 0, self.clock.now(), 0.0,
                RunOutcome.RESYNC, gone.code, "",
            )  # fmt: skip
            await self.records.record(project, run)


def _job(change: ChangeEntry) -> ChangeJob:
    return ChangeJob(new_id("job"), f"{change.collection}/{change.id}", change_payload(change), change.depth)


def _project_caller(project: str) -> Caller:
    return Caller(CallerKind.SECRET, project)
