"""The first queries of new groups. All waiting first queries run together in one snapshot.

After a restart, thousands of clients come back at once, each with a different query. A snapshot for each of them would
fill the queue of scans, and most of the calls would fail with BundocBusy.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from operator import itemgetter
from typing import Final

import msgspec

from bunbase.bundoc.engine import Engine, Moment
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.evaluation import Result
from bunbase.bundoc.live.group import Group
from bunbase.bundoc.live.registry import Registry
from bunbase.bundoc.live.rounds import Outcome, first_outcome
from bunbase.bundoc.live.visibility import View
from bunbase.contracts.bundoc.problems import BundocBusy
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem

# At most this many snapshots are open at once. There are two, so that a slow query does not delay all others.
AT_ONCE: Final = 2
BATCH_SECONDS: Final = 0.05  # One snapshot takes at most this long, because later changes wait meanwhile.

WAIT_SECONDS: Final = 30.0
OVERDUE: Final = "Too many live queries of this project begin at once: try again."

Begun = tuple[str, Group | Problem]  # The view for which a query ran, and the outcome of this query.


class FirstQuery(msgspec.Struct, frozen=True):
    """The first query of a view.

    `until`: the latest time, on the monotonic clock, at which the query must begin. `done`: the outcome of the query.
    """

    view: str
    asked: ParsedLive
    caller: Caller
    until: float
    done: asyncio.Future[Begun]

    @property
    def user(self) -> str:
        return self.caller.counted_as


class FirstFound(msgspec.Struct, frozen=True):
    """The outcome of a first query. `view`: the view under the rules of the snapshot in which the query ran.

    `epoch`, `seq`: the history of this snapshot, and its newest change.
    """

    view: str
    outcome: Outcome
    epoch: str
    seq: int


class Beginnings:
    """Runs first queries. `make`: a function that makes a group.

    The arguments of `make` are a query, the result, the snapshot, and the value of `mark` before the snapshot.

    `by_view`: the queries that wait or run. `of_user`: the number of these queries for each user.
    """

    def __init__(
        self,
        project: str,
        engine: Engine,
        clock: Clock,
        dev: bool,
        mark: Callable[[], int],
        make: Callable[[FirstQuery, Result, FirstFound, int], Group],
    ) -> None:
        self.project = project
        self.engine = engine
        self.clock = clock
        self.dev = dev
        self.mark = mark
        self.make = make
        self.by_view: dict[str, FirstQuery] = {}
        self.of_user: Counter[str] = Counter()
        self.waiting: dict[str, FirstQuery] = {}
        self.running: set[asyncio.Task[None]] = set()

    def done(self, view: str) -> asyncio.Future[Begun] | None:
        """Return the future of the query that waits or runs for this view; None if there is no such query."""
        first = self.by_view.get(view)
        return None if first is None else first.done

    def check_room(self, groups: Registry, asked: ParsedLive, view: View, user: str) -> None:
        """Check that the user may begin one more group. Raises: TooManyLiveQueries."""
        groups.check_room(asked, view, user, len(self.by_view), self.of_user[user])

    def begin(self, view: str, asked: ParsedLive, caller: Caller) -> asyncio.Future[Begun]:
        """Start a query for this view, and return the future of its outcome."""
        done = asyncio.get_running_loop().create_future()
        first = FirstQuery(view, asked, caller, time.monotonic() + WAIT_SECONDS, done)
        self.by_view[view] = self.waiting[view] = first
        self.of_user[first.user] += 1
        if len(self.running) < AT_ONCE:
            task = asyncio.create_task(self._run())
            self.running.add(task)
        return first.done

    async def close(self) -> None:
        for task in list(self.running):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        for first in list(self.by_view.values()):
            first.done.cancel()

    async def _run(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            while self.waiting:
                await self._run_batch()
        finally:
            # `discard` runs in the same turn of the event loop as the last check of `waiting`. A callback of the task
            # would run one turn later, and a query that begins in between would wait for a task that has ended.
            self.running.discard(task)

    async def _run_batch(self) -> None:
        batch = in_turns(self._not_overdue())
        self.waiting.clear()
        mark = self.mark()
        try:
            found = await self._found(batch) if batch else []
            for first, one in zip(batch, found, strict=False):
                self._finish(first, (one.view, self._made(first, one, mark)))
        except Problem as problem:
            for first in batch:
                self._finish(first, (first.view, problem))
        except Exception as fault:
            for first in batch:
                self._finish(first, fault)
        else:
            self.waiting = {**{first.view: first for first in batch[len(found) :]}, **self.waiting}

    def _not_overdue(self) -> list[FirstQuery]:
        """Return the waiting queries. Refuse queries that have waited for too long."""
        now = time.monotonic()
        for first in [first for first in self.waiting.values() if first.until < now]:
            del self.waiting[first.view]
            self._finish(first, (first.view, BundocBusy(OVERDUE, retry_after_seconds=1)))
        return list(self.waiting.values())

    def _made(self, first: FirstQuery, found: FirstFound, mark: int) -> Group | Problem:
        if isinstance(found.outcome, Problem):
            return found.outcome
        try:
            return self.make(first, found.outcome, found, mark)
        except Problem as problem:
            return problem

    def _finish(self, first: FirstQuery, begun: Begun | Exception) -> None:
        """Pass the outcome to all callers that wait for it. Idempotent."""
        if first.done.done():
            return
        del self.by_view[first.view]
        self.of_user[first.user] -= 1
        if not self.of_user[first.user]:
            del self.of_user[first.user]
        if isinstance(begun, Exception):
            first.done.set_exception(begun)
        else:
            first.done.set_result(begun)

    async def _found(self, batch: list[FirstQuery]) -> list[FirstFound]:
        """Run the queries in one snapshot, in their order, until the time of a batch is used up."""
        now = self.clock.now()

        def work(moment: Moment) -> list[FirstFound]:
            until, found = time.monotonic() + BATCH_SECONDS, list[FirstFound]()
            for first in batch:
                if found and time.monotonic() > until:
                    break
                view, outcome = first_outcome(moment, first.asked, first.caller, now, self.dev)
                found.append(FirstFound(view, outcome, moment.epoch, moment.seq))
            return found

        return await self.engine.moment(self.project, work)


def in_turns(queries: Iterable[FirstQuery]) -> list[FirstQuery]:
    """Return the queries in turns: the first query of each user, then the second query of each user, and so on."""
    turn = Counter[str]()
    numbered: list[tuple[int, FirstQuery]] = []
    for first in queries:
        turn[first.user] += 1
        numbered.append((turn[first.user], first))
    return [first for _, first in sorted(numbered, key=itemgetter(0))]
