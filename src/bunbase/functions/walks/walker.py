"""Works on walks: leases them, runs one batch after the other, and ends them.

A walk must not slow down other projects. So a process works on at most MOST_AT_ONCE walks, one per project. After each
batch, the process waits at least as long as the batch took, and respects the `max_per_second` of the walk.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Final

from bunbase.contracts.functions.problems import FunctionOverloaded, FunctionsUnavailable
from bunbase.contracts.functions.walks import WalkKind, WalkState
from bunbase.functions.store.walks import ClaimedWalk, HeldWalk, WalkStore
from bunbase.functions.walks.backfilling import Backfilling
from bunbase.functions.walks.migrating import Migrating
from bunbase.pkg.errors import Problem
from bunbase.pkg.jobs import wait_seconds
from bunbase.pkg.logger import logger

log = logger("functions")

LEASE: Final = timedelta(seconds=15)
MOST_AT_ONCE: Final = 4
PAUSE_SECONDS: Final = 0.5  # The process pauses this long while the queue is full, and after a failure.
MOST_FAILURES: Final = 8  # This many consecutive unexpected errors, which take about a minute, end a walk.
SERVER_FAULT, TOO_MANY = 500, 429


class Walker:
    """Works on walks. `holder`: the id under which this process holds leases."""

    def __init__(self, store: WalkStore, migrating: Migrating, backfilling: Backfilling, holder: str) -> None:
        self.store = store
        self.migrating = migrating
        self.backfilling = backfilling
        self.clock = migrating.clock
        self.holder = holder
        self.tasks: dict[str, asyncio.Task[None]] = {}  # The running tasks, by walk.
        self.projects: dict[str, str] = {}  # The project of each walk.

    async def keep(self) -> None:
        """Extend the leases of this process, and take walks that nobody works on."""
        now = self.clock.now()
        if self.tasks:
            await self.store.extend(self.holder, list(self.tasks), now + LEASE)
        while len(self.tasks) < MOST_AT_ONCE:
            walk = await self.store.claim(self.holder, now, now + LEASE, list(self.projects.values()))
            if walk is None:
                return
            self._begin(walk)

    async def close(self) -> None:
        """Stop, and release the walks, so that other processes can continue them at once."""
        ids, tasks = list(self.tasks), list(self.tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if ids:
            await self.store.release(self.holder, ids, self.clock.now())

    def _begin(self, walk: ClaimedWalk) -> None:
        task = asyncio.create_task(self._work(walk.id))
        self.tasks[walk.id], self.projects[walk.id] = task, walk.project
        task.add_done_callback(lambda _: self._on_ended(walk.id))

    def _on_ended(self, id: str) -> None:
        del self.tasks[id], self.projects[id]
        self.migrating.forget(id)

    async def _work(self, id: str) -> None:
        """Run batches until the walk is over, or until another process has taken it."""
        failures = 0
        while True:
            walk: HeldWalk | None = None
            try:
                walk = await self.store.held(id, self.holder)
                if walk is None or await self._end(walk):
                    return
                await self._batch(walk)
                failures = 0
            except Problem as problem:
                failures += 1
                log.warning("a walk cannot go on", walk=id, error=problem.detail, failures=failures)
                if walk is not None and not _is_passing(problem):
                    await self.store.stop(walk, self.holder, WalkState.STOPPED, self.clock.now(), problem.detail)
                    return
                await asyncio.sleep(wait_seconds(PAUSE_SECONDS, failures))
            except Exception:
                failures += 1
                log.exception("a walk cannot go on", walk=id, failures=failures)
                if walk is not None and failures >= MOST_FAILURES:
                    await self.store.stop(walk, self.holder, WalkState.STOPPED, self.clock.now(), "Internal error.")
                    return
                await asyncio.sleep(wait_seconds(PAUSE_SECONDS, failures))

    async def _batch(self, walk: HeldWalk) -> None:
        began = time.perf_counter()
        visited = await (self.migrating if walk.kind is WalkKind.MIGRATION else self.backfilling).turn(walk)
        if visited is None:
            await asyncio.sleep(PAUSE_SECONDS)
            return
        took = time.perf_counter() - began
        await asyncio.sleep(max(took, visited / walk.max_per_second - took))

    async def _end(self, walk: HeldWalk) -> bool:
        """End the walk if it is over, or if too many documents have failed. Return True if the walk has ended."""
        over = walk.exhausted and not walk.retries
        if walk.plan is not None or not (over or walk.failed >= walk.max_errors):
            return False
        state = WalkState.STOPPED if walk.failed else WalkState.DONE
        error = None
        if walk.failed:
            rest = "the others are done" if over else "the rest has not been visited"
            error = f"{walk.failed} documents failed; {rest}. Correct the code or the documents, and run it again."
        await self.store.stop(walk, self.holder, state, self.clock.now(), error)
        return True


def _is_passing(problem: Problem) -> bool:
    """True if the same batch may succeed later: a room is busy or unreachable."""
    overloaded = isinstance(problem, FunctionOverloaded | FunctionsUnavailable)
    return overloaded or problem.status >= SERVER_FAULT or problem.status == TOO_MANY
