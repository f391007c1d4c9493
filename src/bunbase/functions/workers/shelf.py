"""Prewarmed workers: Bun runs and waits for a bundle, so that a function's first call need not wait for Bun.

One that leaves the shelf is replaced at once, one after the other: starting takes the processor 25 ms. Workers are
started with their limit of memory, so those that wait are for functions with the usual one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from bunbase.contracts.functions import FunctionConfig
from bunbase.functions.workers.worker import RETIRED, Worker, WorkerDied
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("functions")

USUAL_MB: Final = FunctionConfig().memory_mb
AGAIN_SECONDS: Final = 5.0  # after a start that failed

Spawn = Callable[[int], Awaitable[Worker]]


class Shelf:
    """`size`: how many wait. Nothing is started before `fill`."""

    def __init__(self, spawn: Spawn, size: int, ready_seconds: float) -> None:
        self.spawn = spawn
        self.size = size
        self.ready_seconds = ready_seconds
        self.waiting: list[Worker] = []
        self.filling: asyncio.Task[None] | None = None
        self.closed = False

    def take(self, memory_mb: int) -> Worker | None:
        """Give the one that has waited longest, for good."""
        if memory_mb != USUAL_MB or not self.waiting:
            return None
        worker = self.waiting.pop(0)
        self._changed()
        return worker

    def forget(self, worker: Worker) -> None:
        if worker in self.waiting:
            self.waiting.remove(worker)
            self._changed()

    def fill(self) -> None:
        """Start what is missing, in the background."""
        if not self.closed and len(self.waiting) < self.size and (self.filling is None or self.filling.done()):
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

    async def _fill(self) -> None:
        while not self.closed and len(self.waiting) < self.size:
            try:
                await self._add()
            except (Problem, WorkerDied, TimeoutError) as failure:
                log.warning("no worker could be prewarmed", reason=str(failure) or type(failure).__name__)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _add(self) -> None:
        worker = await self.spawn(USUAL_MB)
        try:
            await worker.ready(self.ready_seconds)
        except BaseException:
            worker.kill("it was not ready in time")
            raise
        if worker.dead:
            return
        self.waiting.append(worker)
        metrics.prewarmed.set(len(self.waiting))
