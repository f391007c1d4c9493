"""Starts workers, loads bundles into them, watches their memory and processor time, and ends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from bunbase.contracts.functions.problems import FunctionsUnavailable
from bunbase.functions.sandbox.limits import most_threads
from bunbase.functions.sandbox.switch import Sandbox
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.deployment import Deployment
from bunbase.functions.workers.launch import RUNTIME, launch_of
from bunbase.functions.workers.memory import memory_of
from bunbase.functions.workers.prewarmed import USUAL_MB, PrewarmedWorkers
from bunbase.functions.workers.program import Program
from bunbase.functions.workers.start import DiedBeforeReady, WorkerDied
from bunbase.functions.workers.trials import Trials
from bunbase.functions.workers.worker import RETIRED, Worker, WorkerListener
from bunbase.functions.workers.zygote import Zygote
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("functions")

MAX_STARTS: Final = 3  # If workers die while they load a bundle, at most this many workers try to load it.
# A worker may use this factor of its function's limit, because the garbage collector runs a little late.
MEMORY_TOLERANCE: Final = 1.05
FULL: Final = 0.8  # An idle worker that uses more than this part of its function's limit is ended and replaced.
REST_SECONDS: Final = 3.0  # After this time, an idle worker has collected its garbage.
# Idle workers are checked only once in this many rounds. A check costs 30 µs, and RLIMIT_DATA bounds their memory
# anyway.
ROUNDS_PER_IDLE_LOOK: Final = 16
# Unpacking the bytecode of a small bundle takes as long as parsing the bundle. Compiling a large bundle takes too much
# time and memory.
SHORTEST_COMPILED: Final = 32 << 10
LONGEST_COMPILED: Final = 1 << 20

FindBun = Callable[[], Path]


class Starter:
    """Starts, watches and ends all workers.

    `find_bun`: raises FunctionsUnavailable if Bun is not installed. Every start calls it, so functions work as soon as
    Bun has been installed.
    """

    def __init__(self, zygote: Zygote, find_bun: FindBun, settings: FunctionsSettings) -> None:
        self.zygote = zygote
        self.find_bun = find_bun
        self.settings = settings
        # If this is true, runtime/guard.ts is active. Tests turn it off to attack only the sandbox of the kernel.
        self.guard = True
        self.sandbox = Sandbox(settings.sandbox, RUNTIME, settings.confine_with, settings.max_cpus_per_worker)
        self.alive: set[Worker] = set()  # The workers that have a bundle, or are loading or compiling one.
        self.prewarmed = PrewarmedWorkers(self._spawn, settings.prewarmed or 0, settings.load_seconds)
        self.rounds = 0
        self.most_threads = most_threads()
        self.trials = Trials()

    async def start(self, deployment: Deployment, program: Program, listener: WorkerListener) -> Worker:
        """Return a worker that is ready for calls, prewarmed if possible. Raises: LoadFailed, FunctionsUnavailable.

        A worker that dies while it loads does not prove that the bundle is bad, because the worker or the zygote may
        have been killed from outside. So up to MAX_STARTS workers try to load the bundle.
        """
        self.find_bun()
        memory_mb = deployment.config.memory_mb
        worker = self.prewarmed.take(memory_mb)
        for _ in range(MAX_STARTS - 1):
            with suppress(WorkerDied):
                return await self._loaded(worker or await self._spawn(memory_mb), deployment, program, listener)
            # A second prewarmed worker is not used. If the zygote was killed, all prewarmed workers died.
            worker = None
            program = msgspec.structs.replace(program, bytecode=b"")  # The bytecode may be the cause.
        try:
            return await self._loaded(await self._spawn(memory_mb), deployment, program, listener)
        except DiedBeforeReady as died:
            raise FunctionsUnavailable("Workers end before their runtime is ready; run `bunbase doctor`.") from died

    async def try_load(self, deployment: Deployment, program: Program) -> None:
        """Check that a bundle loads, in a worker that then ends.

        Raises: LoadFailed, FunctionsUnavailable, FunctionOverloaded.
        """
        async with self.trials.turn(deployment.project):
            worker = await self.start(deployment, program, WorkerListener())  # This listener ignores all events.
            worker.kill(RETIRED)

    async def compile(self, project: str, code: bytes) -> bytes:
        """Return a bundle's bytecode, or b"" if the bundle is too small or too large for it, or if compiling failed.

        The worker that compiles ends without running the bundle, so the bundle's code cannot tamper with the bytecode.
        """
        if not SHORTEST_COMPILED <= len(code) <= LONGEST_COMPILED:
            return b""
        try:
            async with self.trials.turn(project):
                worker = self.prewarmed.take(USUAL_MB) or await self._spawn(USUAL_MB)
                return await self._compiled(worker, code)
        except (Problem, WorkerDied, TimeoutError) as failure:
            log.info("a bundle was not compiled", reason=str(failure) or type(failure).__name__)
            return b""

    def watch_memory(self) -> None:
        """Kill each worker that exceeds its function's memory or the limit of threads. Called at short intervals.

        Idle workers are checked only in one of ROUNDS_PER_IDLE_LOOK rounds. Threads are counted here, because
        RLIMIT_NPROC counts the threads of a user, and without root all workers have the same user.
        """
        self.rounds += 1
        self.sandbox.tidy()
        for worker in list(self.alive):
            if worker.idle and self.rounds % ROUNDS_PER_IDLE_LOOK:
                continue
            limit, held = worker.deployment.config.memory_mb, memory_of(worker.pid)
            worker.held_mb = held.mb
            worker.peak_mb = max(worker.peak_mb, held.mb)
            if held.mb > limit * MEMORY_TOLERANCE:
                worker.kill(f"memory limit of {limit} MB exceeded")
            elif held.threads > self.most_threads and not self.sandbox.off:
                worker.kill(f"limit of {self.most_threads} threads exceeded")
            elif worker.idle and held.mb > limit * FULL and time.monotonic() - worker.idle_since > REST_SECONDS:
                worker.kill(RETIRED)
        metrics.worker_memory.set(max((worker.held_mb for worker in self.alive), default=0) * (1 << 20))

    def watch_cpu(self) -> None:
        """End calls, and workers without calls, that use too much processor time."""
        for worker in list(self.alive):
            worker.check_cpu()

    async def close(self) -> None:
        await self.prewarmed.close()
        for worker in list(self.alive):
            worker.kill("BunBase is shutting down")
        await self.zygote.close()
        await self.sandbox.close()

    async def _spawn(self, memory_mb: int) -> Worker:
        """Start a worker without a bundle. The runtime of the worker may not be ready yet.

        Raises: FunctionsUnavailable.
        """
        confinement, cgroup = await self.sandbox.confinement(memory_mb), await self.sandbox.cgroup(memory_mb)
        try:
            launch = launch_of(self.find_bun(), memory_mb, confinement, str(cgroup.path) if cgroup else "")
            process = await self.zygote.spawn(launch)
        except BaseException:
            if cgroup is not None:
                cgroup.leave()
            raise
        worker = Worker(process, self.settings.max_response_bytes, self._gone, cgroup)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: worker.connection, sock=process.channel)
        except BaseException as error:
            worker.kill("it could not be reached")
            process.channel.close()
            if isinstance(error, OSError):
                raise FunctionsUnavailable(f"No worker could be started: {error!r}.") from error
            raise
        return worker

    async def _loaded(
        self, worker: Worker, deployment: Deployment, program: Program, listener: WorkerListener
    ) -> Worker:
        worker.listener = listener
        self.alive.add(worker)
        metrics.workers.set(len(self.alive))
        try:
            await worker.load(deployment, program, self.settings.load_seconds, self.guard)
        except BaseException:
            worker.kill("it could not be loaded")
            self._gone(worker)  # `kill` does nothing if the worker died while it was prewarmed.
            raise
        return worker

    async def _compiled(self, worker: Worker, code: bytes) -> bytes:
        self.alive.add(worker)  # The worker is added so that its memory is watched.
        try:
            return await worker.compile(code, self.settings.load_seconds)
        finally:
            worker.kill(RETIRED)
            self._gone(worker)

    def _gone(self, worker: Worker) -> None:
        self.prewarmed.forget(worker)
        self.alive.discard(worker)
        if worker.cgroup is not None:
            worker.cgroup.leave()
        metrics.workers.set(len(self.alive))
