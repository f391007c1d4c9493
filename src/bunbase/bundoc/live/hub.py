"""The live queries of one project: all groups, and the rounds that bring them up to date.

The life of a change:

1. The writer commits a batch and hands it to `Tail.take` in the event loop (`changes.News`).
2. The hub begins a round. The hub applies the waiting batches to the groups that they concern (`following`). Groups
   whose rules look documents up, and groups whose rules were altered, become stale instead.
3. If a group is stale, the hub opens one snapshot (`engine.moment`). When all batches up to the change of the snapshot
   have arrived and are applied, the queries of all stale groups run in this snapshot. So afterwards all groups have the
   state of the same change.
4. Each group sends how its state differs from the state that it sent before (`telling`). After the messages of all
   groups, each edge gets a Barrier.

All watchers of the project wait until a round ends, so the queries of a round get little time (`RoundTime`). If there
was no time for the query of a group, the hub tells the edges that the group's watches are behind, and forgets these
watches. The edges then request the results separately (`late`).

A commit is never split: batches hold whole commits, and the hub sends nothing between two steps of a round. The result
of a query is always right. So in case of doubt, the hub makes groups stale: after a batch without images, if the tail
is too long, or if a rule takes longer than the event loop allows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from typing import Final

from bunbase.bundoc.engine import Engine, Moment
from bunbase.bundoc.live.beginnings import Beginnings, FirstFound, FirstQuery
from bunbase.bundoc.live.edge import Member
from bunbase.bundoc.live.evaluation import Result
from bunbase.bundoc.live.following import Follower
from bunbase.bundoc.live.group import Group, Why
from bunbase.bundoc.live.registry import Registry
from bunbase.bundoc.live.rounds import Done, Job, Late, Outcome, RoundTime, job_of, run_jobs
from bunbase.bundoc.live.slices import Slices
from bunbase.bundoc.live.tail import Tail
from bunbase.bundoc.live.telling import Telling
from bunbase.bundoc.live.visibility import View, current_view
from bunbase.contracts.bundoc.backups import ProjectRestoring
from bunbase.contracts.bundoc.live import Barrier
from bunbase.contracts.bundoc.problems import BundocBusy, QueryTooSlow
from bunbase.contracts.caller import Caller
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import DeadlineExceeded, Internal, Problem, Unreachable
from bunbase.pkg.logger import logger

log = logger("bundoc")

REST_SECONDS: Final = 0.05  # A pause after queries is at most this long, and at most as long as the queries took.
AHEAD_SECONDS: Final = 1.0
TRIES: Final = 8
PASSING: Final = (BundocBusy, Unreachable, DeadlineExceeded, QueryTooSlow, ProjectRestoring)


class Hub:
    """The live queries of one project. `tail`: the batches that are not applied yet.

    `epoch`, `seq`: the change whose state all groups have. Stale groups may have an older state, and new groups a later
    one.
    `doubtful`: collections that were altered while a snapshot was open. The snapshot may be older than the alteration.
    An alteration has no number, so the next round checks these collections again.
    `beginnings`: the queries that make new groups. `user_seconds`: the limit for one user, see LiveService. `time`: the
    time that is left in this round.
    """

    def __init__(self, project: str, engine: Engine, clock: Clock, dev: bool, user_seconds: float) -> None:
        self.project = project
        self.engine = engine
        self.clock = clock
        self.dev = dev
        self.groups = Registry()
        self.tail = Tail()
        self.telling = Telling(project, engine, self.tail.news)
        self.doubtful: frozenset[str] = frozenset()
        self.beginnings = Beginnings(project, engine, clock, dev, lambda: self.tail.altered, self._make)
        self.again: set[asyncio.Task[None]] = set()
        self.epoch, self.seq = "", -1
        self.entering = 0
        self.user_seconds = user_seconds
        self.time = RoundTime(user_seconds)
        self.slices = Slices()
        self.follower = Follower(self.groups, self.telling, self.slices)
        engine.follow(project, self.tail.take)
        self.rounds = asyncio.create_task(self._go_round())

    @property
    def empty(self) -> bool:
        return not self.groups.by_name and not self.beginnings.by_view and not self.again and not self.entering

    async def close(self) -> None:
        self.engine.unfollow(self.project)
        self.tail.forget()  # Otherwise, a snapshot could wait for a batch that will never arrive.
        for task in (self.rounds, *self.again):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        await self.beginnings.close()
        for group in list(self.groups.by_name.values()):
            self.groups.remove(group)

    async def enter(self, member: Member) -> None:
        """Put a member into the group of its view. The member gets its result in the next round.

        Raises: the Problems of Live.watch.
        """
        self.entering += 1
        try:
            await self._enter(member)
        finally:
            self.entering -= 1

    async def _enter(self, member: Member) -> None:
        while not member.withdrawn:
            caller = member.caller
            view = await self._view(member, caller)
            group = self.groups.by_name.get(view.name) or await self._started(view, member)
            if group is not None and not group.gone and not member.withdrawn and member.caller is caller:
                if member.group != group.name:  # Otherwise, another call has already put the member into this group.
                    self._join(member, group)
                return

    def _join(self, member: Member, group: Group) -> None:
        self._withdraw(member)
        group.members[member] = None
        self.groups.watched_by_one_more(group)
        member.group, member.asked = group.name, group.asked  # All members share one parsed query.
        self.telling.expect(member)
        if group.slim:
            self.groups.mark([group], Why.BODIES)
        self.tail.news.set()

    async def recheck(self, member: Member, caller: Caller) -> bool:
        """Apply the rights of another caller to the watch.

        Return True if an event Started or Ended follows. Raises: the problems of `enter`.
        """
        view = await self._view(member, caller)
        member.caller = caller
        member.checks += 1
        if view.name == member.group or member.withdrawn:
            return False
        self._withdraw(member)
        member.resume = None
        await self.enter(member)
        return True

    def leave(self, member: Member) -> None:
        """Forget a watch. Idempotent."""
        member.withdrawn = True
        self._withdraw(member)

    def end(self, problem: Problem, members: Iterable[Member] | None = None) -> None:
        """End watches (by default, all watches), and send the reason to their edges."""
        for member in self.groups.members() if members is None else list(members):
            self.leave(member)
            self.telling.end(member, problem)

    async def probe(self) -> None:
        """Read the project's state, which needs a key that BunKMS has confirmed.

        End all watches if the read fails with an error that will not pass.
        """
        try:
            await self.engine.reached(self.project, "", 0, 0)
        except PASSING:
            return
        except Problem as problem:
            self.end(problem)
        self.groups.remove_empty()

    async def check(self, seconds: Iterable[int]) -> None:
        """Send digests to the edges, for all results whose second of the minute is in `seconds`."""
        for group in [group for second in seconds for group in self.groups.by_second.get(second, ())]:
            self.telling.check(group)
            await self.slices.turn()

    async def _view(self, member: Member, caller: Caller) -> View:
        terms = await self.engine.terms(self.project, member.asked.collection)
        return await current_view(member.asked, caller, terms, self.clock.now(), self.dev)

    async def _started(self, view: View, member: Member) -> Group | None:
        """Return a new group. Watches with the same view wait for the same query, and get the same error.

        The query may see newer rules, under which these watches have different views. In this case, the outcome is only
        for the watch that began the query, and the other watches get None.
        """
        done = self.beginnings.done(view.name)
        begins = done is None
        if done is None:
            self.beginnings.check_room(self.groups, member.asked, view, member.caller.counted_as)
            done = self.beginnings.begin(view.name, member.asked, member.caller)
        name, begun = await asyncio.shield(done)
        if not begins and name != view.name:
            return None
        if isinstance(begun, Problem):
            raise copy(begun)  # Each call raises its own copy, because a raised exception collects its traceback.
        return begun

    def _make(self, first: FirstQuery, result: Result, found: FirstFound, altered: int) -> Group:
        """Return the group for the result of a first query.

        `altered`: the value of `Tail.altered` before the snapshot of the query.

        Raises: TooManyLiveQueries.
        """
        if (there := self.groups.by_name.get(found.view)) is not None:
            return there
        self.groups.check_result(first.user, first.asked, result.window)
        group = Group(first.asked, first.caller, result, found.epoch, found.seq)
        if not self.epoch:
            self.epoch, self.seq = found.epoch, found.seq
        self.groups.add(group)
        if altered != self.tail.altered or found.epoch != self.epoch or found.seq < self.seq:
            self.groups.mark([group], Why.RULES, regroup=True)
        return group

    def _withdraw(self, member: Member) -> None:
        """Take a member out of its group, and remove the group if it has no other member."""
        group, member.group = self.groups.by_name.get(member.group), ""
        self.telling.expect_no_more(member)
        if group is not None:
            self.telling.stop(member, group)
            group.members.pop(member, None)
            if not group.members:
                self.groups.remove(group)
            else:
                self.groups.weigh(group)

    async def _go_round(self) -> None:
        tried = 0
        while True:
            await self._wait()
            try:
                await self._round()
                tried = 0
            except PASSING as problem:
                tried += 1
                if tried < TRIES:
                    await asyncio.sleep(REST_SECONDS * 2**tried)
                    self.tail.news.set()
                else:
                    self.end(problem)
            except Problem as problem:
                self.end(problem)
            except Exception:
                log.exception("a round of live queries failed", project=self.project)
                self.end(Internal("The live queries of this project have ended by a fault of the server."))

    async def _wait(self) -> None:
        """Wait for news, or until a result may change by itself."""
        seconds = min(self.groups.timed.values()) / 1000 - time.time() if self.groups.timed else None
        if self.telling.expected:
            seconds = AHEAD_SECONDS if seconds is None else min(AHEAD_SECONDS, seconds)
        try:
            async with asyncio.timeout(None if seconds is None else max(0.001, seconds)):
                await self.tail.news.wait()
        except TimeoutError:  # A new group waits for earlier changes, which should have arrived by now.
            self.groups.mark_ahead(self.seq)

    async def _round(self) -> None:
        self.tail.news.clear()
        self.follower.spent.clear()
        self._settle_doubts()
        self.groups.mark_due(time.time() * 1000)
        await self._apply_pending(None)
        began = time.monotonic()
        self.time = RoundTime(self.user_seconds)
        await self._query_stale()
        # The queries may have taken seconds, in which documents may have expired.
        self.groups.mark_due(time.time() * 1000)
        await self._query_stale()
        took = time.monotonic() - began
        barrier = Barrier(self.project, self.epoch, self.seq, self.tail.committed_at)
        await self.telling.tell(self.groups.by_name, barrier, self.slices)
        self.tail.told()
        if self.groups.overfull:
            self.groups.drop_bodies(self.telling.concerned(self.groups.by_name))
        if self.doubtful:
            self.tail.news.set()
        await asyncio.sleep(min(REST_SECONDS, took))

    async def _query_stale(self) -> None:
        """Run queries until no group is stale."""
        while self.groups.stale or self.again:
            if self.again:  # Members in `again` may hold a result that gets no more changes.
                await asyncio.wait(self.again)
                self.groups.mark_ahead(self.seq)
            self._settle_doubts()
            if self.groups.stale:
                await self._run_stale()

    def _settle_doubts(self) -> None:
        """Make the groups stale whose query may have used the rules from before an alteration."""
        self.groups.mark_altered(self.doubtful)
        self.doubtful = frozenset()

    async def _apply_pending(self, until: int | None) -> None:
        """Apply the batches up to the change `until`; without `until`, all batches."""
        if self.tail.unknown:
            self.tail.unknown = until is not None  # The lost batches may be newer than the snapshot.
            self.groups.mark_all(regroup=True)
        while (batch := self.tail.next(until)) is not None:
            self.epoch = self.epoch or batch.epoch
            if batch.epoch != self.epoch:
                self.tail.forget()
                continue
            self.seq = max(self.seq, batch.seq)  # A group that begins meanwhile, from an older snapshot, is stale.
            if until is not None:
                self.doubtful |= batch.redefined
            self.groups.mark_altered(batch.redefined)
            if batch.changes is None and batch.seq > batch.since:
                self.groups.mark_all()
            for change in batch.changes or ():
                await self.follower.apply(change)

    async def _run_stale(self) -> None:
        """Run the queries of all stale groups in one snapshot, and bring all other groups to the same change."""
        loop, now = asyncio.get_running_loop(), self.clock.now()

        def work(moment: Moment) -> tuple[str, int, list[Done]]:
            ready = asyncio.run_coroutine_threadsafe(self._reach(moment.epoch, moment.seq), loop)
            return moment.epoch, moment.seq, run_jobs(moment, ready.result(), now, self.dev, self.time)

        epoch, seq, done = await self.engine.moment(self.project, work)
        for one in done:
            metrics.bundoc_live_queries.labels(one.job.group.why).inc()
            self.groups.stale.pop(one.job.group, None)
            if not one.job.group.gone:
                self._place(one, epoch, seq)
            await self.slices.turn()
        self.telling.tell_behind()

    async def _reach(self, epoch: str, seq: int) -> list[Job]:
        """Apply all batches up to the newest change of a snapshot.

        Return the queries that must run in this snapshot.
        """
        if self.epoch != epoch:
            self.tail.begin(epoch, seq)
            self.groups.mark_all(regroup=True)
            self.epoch, self.seq = epoch, seq
        elif not await self.tail.reaches(seq, self.seq):
            log.warning("the changes of a commit did not arrive", project=self.project, seq=seq)
            metrics.bundoc_live_gaps.labels("arrival").inc()
            self.groups.mark_all(regroup=True)
        await self._apply_pending(seq)
        self.seq = max(self.seq, seq)
        return [job_of(group) for group in self.groups.stale]

    def _place(self, done: Done, epoch: str, seq: int) -> None:
        """Store the outcomes of a query in its group, or move members to other groups if their views have changed."""
        group = done.job.group
        own = next((one for one in done.outcomes if isinstance(one, Result) and one.view.name == group.name), None)
        if own is not None:
            self._take(group, own, epoch, seq)
        for (member, caller), number in zip(done.job.callers, done.of, strict=True):
            outcome = done.outcomes[number]
            if member.group != group.name or member.caller is not caller:
                continue  # The member has left meanwhile, or has another caller.
            if isinstance(outcome, Late):
                self._fall_behind(member, outcome)
            elif isinstance(outcome, Problem):
                self.end(outcome, [member])
            elif outcome is not own:
                self._move(member, outcome, epoch, seq)
        if done.late:
            for member in list(group.members):  # Only members that have entered during the round are left.
                self._fall_behind(member, done.outcomes[0])
            self.groups.remove(group)
        elif own is None:
            self._scatter(group)

    def _fall_behind(self, member: Member, why: Outcome | Late) -> None:
        """Forget a watch for whose query the round has no time, and record that its edge must be informed."""
        self.leave(member)
        self.telling.fall_behind(member, dear=why is Late.DEAR)

    def _take(self, group: Group, result: Result, epoch: str, seq: int) -> None:
        group.take(result, epoch, seq)
        self.groups.file(group)
        self.telling.note(group)

    def _move(self, member: Member, result: Result, epoch: str, seq: int) -> None:
        """Put a member into the group of its new view."""
        target = self.groups.by_name.get(result.view.name)
        if target is None:
            target = Group(member.asked, member.caller, result, epoch, seq)
            self.groups.add(target)
        elif target.seq != seq or target.stale or target.slim:
            self._take(target, result, epoch, seq)
        self._withdraw(member)
        target.members[member] = None
        self.groups.watched_by_one_more(target)
        member.group, member.resume = target.name, None
        self.telling.expect(member)

    def _scatter(self, group: Group) -> None:
        """Let the members that have entered during the query look for their groups again."""
        for member in list(group.members):
            self._withdraw(member)
            task = asyncio.create_task(self._enter_again(member))
            self.again.add(task)
            task.add_done_callback(self.again.discard)
        if not group.gone:
            self.groups.remove(group)

    async def _enter_again(self, member: Member) -> None:
        try:
            await self.enter(member)
        except Problem as problem:
            self.end(problem, [member])
