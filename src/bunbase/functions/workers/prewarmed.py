"""Prewarmed workers: Bun already runs and waits for a bundle, so that the first call of a function waits less.

When a worker is taken, another worker starts in its place. Workers start one after the other, because each start costs
25 ms of processor time. A worker's memory limit is fixed at its start, because the garbage collector reads the limit
only then. So each worker serves functions of one memory size. At most half of the places are for unusual sizes: each
size that was used recently gets one worker. All other places have the usual size.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from bunbase.contracts.functions.deployments import FunctionConfig
from bunbase.functions.workers.start import WorkerDied
from bunbase.functions.workers.worker import RETIRED, Worker
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("functions")

USUAL_MB: Final = FunctionConfig().memory_mb
AGAIN_SECONDS: Final = 5.0  # After a start that failed, the next start comes this many seconds later.

Spawn = Callable[[int], Awaitable[Worker]]


class PrewarmedWorkers:
    """Keeps `size` workers waiting. The first worker starts when `fill` is called."""

    def __init__(self, spawn: Spawn, size: int, ready_seconds: float) -> None:
        self.spawn = spawn
        self.size = size
        self.ready_seconds = ready_seconds
        self.waiting: list[Worker] = []
        self.memory_mb: dict[Worker, int] = {}  # The memory sizes of the waiting workers.
        self.others: list[int] = []  # The unusual sizes in recent use, latest first.
        self.filling: asyncio.Task[None] | None = None
        self.closed = False

    def expect(self, sizes: Iterable[int]) -> None:
        """Keep a worker of each of these memory sizes.

        If there are too few places, the first sizes in the list get them.
        """
        fresh = [size for size in dict.fromkeys((*sizes, *self.others)) if size != USUAL_MB]
        self.others = fresh[: self.size // 2]

    def take(self, memory_mb: int) -> Worker | None:
        """Remove and return the worker of this size that has waited longest, or None."""
        self.expect([memory_mb])
        worker = next((one for one in self.waiting if self.memory_mb[one] == memory_mb), None)
        if worker is None:
            self.fill()
        else:
            self.forget(worker)
        return worker

    def forget(self, worker: Worker) -> None:
        if worker in self.waiting:
            self.waiting.remove(worker)
            del self.memory_mb[worker]
            self._changed()

    def fill(self) -> None:
        """Start the missing workers in the background."""
        if not self.closed and self._missing() and (self.filling is None or self.filling.done()):
            self.filling = asyncio.create_task(self._fill())

    async def close(self) -> None:
        self.closed = True
        if self.filling is not None:
            self.filling.cancel()
            await asyncio.gather(self.filling, return_exceptions=True)
        for worker in list(self.waiting):
            worker.kill(RETIRED)

    def _changed(self) -> None:
        metrics.prewarmed.set(len(self.waiting))
        self.fill()

    def _missing(self) -> list[int]:
        """Return the sizes of the workers that are missing."""
        return list((self._wanted() - Counter(self.memory_mb.values())).elements())

    def _make_room(self) -> None:
        """End waiting workers whose size is no longer wanted."""
        left = self._wanted()
        for worker in list(self.waiting):
            size = self.memory_mb[worker]
            left[size] -= 1
            if left[size] < 0:
                worker.kill(RETIRED)

    def _wanted(self) -> Counter[int]:
        return Counter({USUAL_MB: self.size - len(self.others), **dict.fromkeys(self.others, 1)})

    async def _fill(self) -> None:
        while not self.closed and (missing := self._missing()):
            try:
                await self._add(missing[0])
            except (Problem, WorkerDied, TimeoutError) as failure:
                log.warning("no worker could be prewarmed", reason=str(failure) or type(failure).__name__)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _add(self, memory_mb: int) -> None:
        worker = await self.spawn(memory_mb)
        try:
            await worker.ready(self.ready_seconds)
        except BaseException:
            worker.kill("it was not ready in time")
            raise
        if worker.dead:
            return
        self.waiting.append(worker)
        self.memory_mb[worker] = memory_mb
        self._make_room()
        metrics.prewarmed.set(len(self.waiting))
