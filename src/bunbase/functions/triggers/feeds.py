"""Follows the changes of projects whose functions ask for them, and makes jobs of those that are asked for.

One process follows a project, under a lease. The cursor moves in the transaction that adds the jobs, and only from
where it was read: whoever has lost the lease without noticing adds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from bunbase.contracts.bundoc import (
    Bundoc,
    ChangeEntry,
    Changes,
    CollectionNotFound,
    InvalidQuery,
    QueryNeedsIndex,
    ResyncRequired,
)
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.triggers import ChainTooLong, DataTrigger, QueueFull, Run, RunOutcome, TriggerKind
from bunbase.functions.store.jobs import Change
from bunbase.functions.store.schedules import Subscription
from bunbase.functions.triggers.filters import matching
from bunbase.functions.triggers.queue import MAX_DEPTH, Queue
from bunbase.functions.triggers.requests import change_payload
from bunbase.functions.triggers.runner import Runner
from bunbase.pkg.context import deadline_in
from bunbase.pkg.errors import Problem
from bunbase.pkg.ids import new_id
from bunbase.pkg.jobs import wait_seconds
from bunbase.pkg.logger import logger

log = logger("functions")

LEASE: Final = timedelta(seconds=15)
TAKEN_AT_ONCE: Final = 64  # so that processes that start together share the projects
BATCH: Final = 100
LONG_POLL_SECONDS: Final = 20.0
DEADLINE_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 1.0
ORPHANED: Final = timedelta(seconds=60)  # by then a deployment has said where to begin, or never will
NEWEST: Final = 2**62  # no log is as long: asking for what comes after gives the newest there is
ATTEMPTS: Final = 5


class Feeds:
    """`warn(project, function, text)` writes into a function's log."""

    def __init__(
        self, runner: Runner, queue: Queue, bundoc: Bundoc, warn: Callable[[str, str, str], Awaitable[None]]
    ) -> None:
        self.runner = runner
        self.queue = queue
        self.bundoc = bundoc
        self.warn = warn
        self.stores = runner.stores
        self.clock = runner.clock
        self.most = runner.settings.max_followed_projects
        self.turns = asyncio.Semaphore(self.most)
        self.followed: dict[str, asyncio.Task[None]] = {}
        self.full: set[str] = set()  # projects whose functions were told that their changes wait

    async def keep(self) -> None:
        """Hold on to the projects followed here, take on others, let go of those that are lost."""
        now = self.clock.now()
        held = set(await self.stores.subscriptions.hold(self.runner.id, now, now + LEASE, TAKEN_AT_ONCE))
        self.full &= held
        for project in self.followed.keys() - held:
            self.followed.pop(project).cancel()
        for project in held - self.followed.keys():
            self.followed[project] = asyncio.create_task(self._follow(project))

    async def forget(self) -> None:
        await self.stores.subscriptions.forget(self.clock.now())

    async def close(self) -> None:
        for task in self.followed.values():
            task.cancel()
        await asyncio.gather(*self.followed.values(), return_exceptions=True)
        await self.stores.subscriptions.let_go(self.runner.id)

    async def newest(self, project: str) -> int:
        """Give the number of the newest change."""
        try:
            return (await self.bundoc.changes(_whole(project), NEWEST, 1, 0)).next
        except ResyncRequired as told:
            last: int = told.extra["last"]
            return last

    async def _follow(self, project: str) -> None:
        failures = 0
        while True:
            try:
                async with self.turns:
                    waited = await self.turn(project, self._patience())
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

    def _patience(self) -> float:
        """With more projects than may wait at once none waits: they take turns."""
        return LONG_POLL_SECONDS if len(self.followed) <= self.most else 0.0

    async def turn(self, project: str, wait: float) -> bool:
        """Hand on the next changes, waiting for some; False if it is better to pause now."""
        known = await self._subscriptions(project)
        if not known:
            return False
        since, furthest = min(one.cursor for one in known), max(one.cursor for one in known)
        try:
            with deadline_in(DEADLINE_SECONDS):
                changes = await self.bundoc.changes(_whole(project), since, BATCH, wait)
                if len(changes.items) < BATCH and changes.next < furthest:  # does the log reach so far at all?
                    await self.bundoc.changes(_whole(project), furthest, 1, 0)
        except ResyncRequired as gone:
            await self._resync(project, known, gone)
            return True
        if not changes.items:
            self.full.discard(project)
            return wait > 0
        for subscription in await self._subscriptions(project):  # again: there may have been a deployment meanwhile
            if subscription.cursor >= since:
                try:
                    await self._hand_on(project, subscription, changes)
                except QueueFull as full:  # the log keeps them until there is room
                    await self._tell_once(project, subscription.function, full)
                    return False
        return True

    async def _tell_once(self, project: str, function: str, full: QueueFull) -> None:
        if project not in self.full:
            self.full.add(project)
            await self.warn(project, function, f"Changes of documents wait to be handed on: {full.detail}")

    async def _subscriptions(self, project: str) -> list[Subscription]:
        """Give those that know where they are; begin those that nobody told."""
        asked = await self.stores.subscriptions.of(project, self.clock.now() - ORPHANED)
        for orphan in asked.orphans:
            await self.stores.subscriptions.begin(project, orphan, await self.newest(project))
        return asked.known

    async def _hand_on(self, project: str, to: Subscription, changes: Changes) -> None:
        if to.cursor >= changes.next:
            return
        new = [change for change in changes.items if change.seq > to.cursor]
        wanted = await self._wanted(project, to, new)
        jobs = [_job(one) for one in wanted if one.depth <= MAX_DEPTH]
        endless = [one for one in wanted if one.depth > MAX_DEPTH]
        if jobs:
            await self.queue.check_room(project)
        async with self.stores.subscriptions.transaction():
            if not await self.stores.subscriptions.advance(project, to.function, to.cursor, changes.next):
                return
            if jobs:
                await self.stores.jobs.add_changes(project, to.function, jobs, self.clock.now(), ATTEMPTS)
            if endless:
                await self._bury(project, to.function, endless)
        if jobs:
            self.runner.wake()
        if endless:
            await self._warn_of_circle(project, to.function, endless)

    async def _bury(self, project: str, function: str, endless: Sequence[ChangeEntry]) -> None:
        """Keep what is not run as dead letters, as many as there may be: one run can make thousands."""
        room = self.queue.max_jobs - await self.stores.jobs.dead(project, self.queue.max_jobs)
        jobs = [_job(one) for one in endless[:room]]
        await self.stores.jobs.add_dead(project, function, jobs, self.clock.now(), ATTEMPTS, ChainTooLong.code)

    async def _warn_of_circle(self, project: str, function: str, endless: Sequence[ChangeEntry]) -> None:
        which = f"{endless[0].collection}/{endless[0].id}"
        await self.warn(
            project,
            function,
            f"{len(endless)} changes, the first of {which}, were not run ({ChainTooLong.code}): {MAX_DEPTH + 1} runs "
            "in a row have each caused the next. Let `where` leave out what functions have written, or look before "
            "writing; see docs/functions.md#circles.",
        )

    async def _wanted(self, project: str, by: Subscription, changes: Sequence[ChangeEntry]) -> list[ChangeEntry]:
        wanted: set[int] = set()
        for trigger in by.triggers:
            of_it = [one for one in changes if one.collection == trigger.collection and one.op in trigger.ops]
            if of_it and trigger.where is not None:
                fulfilling = await self._matching(project, by.function, trigger, {one.id for one in of_it})
                of_it = [one for one in of_it if one.id in fulfilling]
            wanted |= {one.seq for one in of_it}
        return [one for one in changes if one.seq in wanted]

    async def _matching(self, project: str, function: str, trigger: DataTrigger, ids: set[str]) -> set[str]:
        """Ask which of these documents fulfil the filter as they are now."""
        try:
            return await matching(self.bundoc, _whole(project), trigger, sorted(ids))
        except CollectionNotFound:
            return set()
        except (
            InvalidQuery,
            QueryNeedsIndex,
        ) as wrong:  # it was checked when it was deployed: seldom, and not for ever
            await self.warn(project, function, f"The filter of a trigger on {trigger.collection} fails: {wrong.detail}")
            return set()

    async def _resync(self, project: str, known: Sequence[Subscription], gone: ResyncRequired) -> None:
        first, last = gone.extra["first"], gone.extra["last"]
        for one in known:
            if first <= one.cursor <= last:
                continue
            if not await self.stores.subscriptions.advance(project, one.function, one.cursor, last):
                continue
            await self.warn(project, one.function, f"Changes from {one.cursor} to {last} were not seen: {gone.detail}")
            run = Run(
                new_id("run"), one.function, 0, TriggerKind.CHANGE, None, 0, self.clock.now(), 0.0,
                RunOutcome.RESYNC, gone.code, "",
            )  # fmt: skip
            await self.runner.record(project, run)


def _job(change: ChangeEntry) -> Change:
    return Change(new_id("job"), f"{change.collection}/{change.id}", change_payload(change), change.depth)


def _whole(project: str) -> Caller:
    return Caller(CallerKind.SECRET, project)
