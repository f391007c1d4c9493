"""Starts workers and loads bundles into them; knows every process that lives, watches what they hold, ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bunbase.contracts.functions import FunctionsUnavailable
from bunbase.functions.sandbox.limits import most_threads
from bunbase.functions.sandbox.switch import Sandbox
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.deployment import Deployment, Program, Say
from bunbase.functions.workers.launch import RUNTIME, launch_of
from bunbase.functions.workers.memory import held_by
from bunbase.functions.workers.worker import RETIRED, Worker
from bunbase.functions.workers.zygote import Zygote
from bunbase.pkg import metrics

MAX_TRIALS: Final = 2  # side by side, on top of max_workers
MEMORY_TOLERANCE: Final = 1.05  # of a function's limit: garbage is collected a little late
ROUNDS_PER_IDLE_LOOK: Final = 16  # a look costs 30 µs; what an idle worker can take is bounded by RLIMIT_DATA

FindBun = Callable[[], Path]


class Starter:
    """`find_bun` raises FunctionsUnavailable where there is none; asked each time, so an installation heals itself."""

    def __init__(self, zygote: Zygote, find_bun: FindBun, settings: FunctionsSettings) -> None:
        self.zygote = zygote
        self.find_bun = find_bun
        self.settings = settings
        self.guard = True  # the words of the sandbox; tests of its walls do without
        self.sandbox = Sandbox(settings.sandbox, RUNTIME)
        self.alive: set[Worker] = set()
        self.rounds = 0
        self.most_threads = most_threads()
        self.trials = asyncio.Semaphore(MAX_TRIALS)

    async def start(
        self,
        deployment: Deployment,
        program: Program,
        say: Say,
        on_free: Callable[[Worker], None] = lambda _: None,
        on_death: Callable[[Worker], None] = lambda _: None,
    ) -> Worker:
        """Give a worker ready for calls. Raises: LoadFailed, FunctionsUnavailable."""

        def gone(worker: Worker) -> None:
            self.alive.discard(worker)
            metrics.workers.set(len(self.alive))
            on_death(worker)

        bun, memory_mb = self.find_bun(), deployment.config.memory_mb
        process = await self.zygote.spawn(launch_of(bun, memory_mb, await self.sandbox.confinement(memory_mb)))
        worker = Worker(process, deployment, self.settings.max_response_bytes, say, on_free, gone)
        self.alive.add(worker)
        metrics.workers.set(len(self.alive))
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=process.channel)
            await worker.load(program, self.settings.load_seconds, self.guard)
        except BaseException as error:
            worker.kill("it could not be loaded")
            process.channel.close()
            if isinstance(error, OSError):
                raise FunctionsUnavailable(f"No worker could be started: {error!r}.") from error
            raise
        return worker

    async def try_load(self, deployment: Deployment, program: Program) -> None:
        """Load a bundle into a worker of its own, which then ends. Raises: LoadFailed, FunctionsUnavailable."""
        async with self.trials:
            worker = await self.start(deployment, program, say=lambda _: None)  # it is no version of anything yet
            worker.kill(RETIRED)

    def watch_memory(self) -> None:
        """Kill each worker that holds more than its function may; those without a call are looked at rarely.

        Threads are counted here since RLIMIT_NPROC counts them per user, and without root all workers are one user.
        """
        self.rounds += 1
        for worker in list(self.alive):
            if worker.idle and self.rounds % ROUNDS_PER_IDLE_LOOK:
                continue
            limit = worker.deployment.config.memory_mb
            held = held_by(worker.pid)
            if held.mb > limit * MEMORY_TOLERANCE:
                worker.kill(f"memory limit of {limit} MB exceeded")
            elif held.threads > self.most_threads and not self.sandbox.off:
                worker.kill(f"limit of {self.most_threads} threads exceeded")

    async def close(self) -> None:
        for worker in list(self.alive):
            worker.kill("BunBase is shutting down")
        await self.zygote.close()
