"""Starts workers and loads bundles into them; knows every process that lives, watches what they hold, ends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from bunbase.contracts.functions import FunctionsUnavailable
from bunbase.functions.sandbox.limits import most_threads
from bunbase.functions.sandbox.switch import Sandbox
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.deployment import Deployment
from bunbase.functions.workers.launch import RUNTIME, launch_of
from bunbase.functions.workers.memory import held_by
from bunbase.functions.workers.program import Program
from bunbase.functions.workers.shelf import USUAL_MB, Shelf
from bunbase.functions.workers.start import NeverStood, WorkerDied
from bunbase.functions.workers.trials import Trials
from bunbase.functions.workers.worker import RETIRED, Owner, Worker
from bunbase.functions.workers.zygote import Zygote
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("functions")

MAX_STARTS: Final = 3  # of one worker, when it dies while it loads
MEMORY_TOLERANCE: Final = 1.05  # of a function's limit: garbage is collected a little late
FULL: Final = 0.8  # of a function's limit: a worker that holds so much while it rests gives way to a new one
REST_SECONDS: Final = 3.0  # by then garbage has been collected
ROUNDS_PER_IDLE_LOOK: Final = 16  # a look costs 30 µs; what an idle worker can take is bounded by RLIMIT_DATA
# A small bundle is parsed as fast as its bytecode is unpacked; to compile a large one takes long and much memory.
SHORTEST_COMPILED: Final = 32 << 10
LONGEST_COMPILED: Final = 1 << 20

FindBun = Callable[[], Path]


class Starter:
    """`find_bun` raises FunctionsUnavailable where there is none; asked each time, so an installation heals itself."""

    def __init__(self, zygote: Zygote, find_bun: FindBun, settings: FunctionsSettings) -> None:
        self.zygote = zygote
        self.find_bun = find_bun
        self.settings = settings
        self.guard = True  # the words of the sandbox; tests of its walls do without
        self.sandbox = Sandbox(settings.sandbox, RUNTIME, settings.confine_with, settings.max_cpus_per_worker)
        self.alive: set[Worker] = set()  # those that have a bundle, or are being given one
        self.shelf = Shelf(self._spawn, settings.prewarmed or 0, settings.load_seconds)
        self.rounds = 0
        self.most_threads = most_threads()
        self.trials = Trials()

    async def start(self, deployment: Deployment, program: Program, owner: Owner) -> Worker:
        """Give a worker ready for calls, a prewarmed one where there is. Raises: LoadFailed, FunctionsUnavailable.

        One that dies while it loads is no proof against the bundle: somebody may have killed it, or the zygote.
        """
        self.find_bun()
        memory_mb = deployment.config.memory_mb
        worker = self.shelf.take(memory_mb)
        for _ in range(MAX_STARTS - 1):
            with suppress(WorkerDied):
                return await self._loaded(worker or await self._spawn(memory_mb), deployment, program, owner)
            worker = None  # what killed the zygote killed all that were prewarmed
            program = msgspec.structs.replace(program, bytecode=b"")  # or was it this?
        try:
            return await self._loaded(await self._spawn(memory_mb), deployment, program, owner)
        except NeverStood as died:
            raise FunctionsUnavailable("Workers end before their runtime stands; ask `bunbase doctor`.") from died

    async def try_load(self, deployment: Deployment, program: Program) -> None:
        """Load a bundle into a worker of its own, which then ends. Raises: LoadFailed, FunctionsUnavailable,
        FunctionOverloaded.
        """
        async with self.trials.turn(deployment.project):
            worker = await self.start(deployment, program, Owner())  # it is no version of anything yet
            worker.kill(RETIRED)

    async def compile(self, project: str, code: bytes) -> bytes:
        """Give a bundle's bytecode, b"" where it is not worth its while or cannot be had.

        Made in a worker that then ends without having run the bundle: no function can put its own in place of it.
        """
        if not SHORTEST_COMPILED <= len(code) <= LONGEST_COMPILED:
            return b""
        try:
            async with self.trials.turn(project):
                worker = self.shelf.take(USUAL_MB) or await self._spawn(USUAL_MB)
                return await self._compiled(worker, code)
        except (Problem, WorkerDied, TimeoutError) as failure:
            log.info("a bundle was not compiled", reason=str(failure) or type(failure).__name__)
            return b""

    def watch_memory(self) -> None:
        """Kill each worker that holds more than its function may; those without a call are looked at rarely.

        Threads are counted here since RLIMIT_NPROC counts them per user, and without root all workers are one user.
        """
        self.rounds += 1
        self.sandbox.tidy()
        for worker in list(self.alive):
            if worker.idle and self.rounds % ROUNDS_PER_IDLE_LOOK:
                continue
            limit, held = worker.deployment.config.memory_mb, held_by(worker.pid)
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
        """End calls, and workers without any, that use more processor time than they may."""
        for worker in list(self.alive):
            worker.check_cpu()

    async def close(self) -> None:
        await self.shelf.close()
        for worker in list(self.alive):
            worker.kill("BunBase is shutting down")
        await self.zygote.close()
        await self.sandbox.close()

    async def _spawn(self, memory_mb: int) -> Worker:
        """Give a worker that has no bundle; its runtime may not stand yet. Raises: FunctionsUnavailable."""
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
            await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=process.channel)
        except BaseException as error:
            worker.kill("it could not be reached")
            process.channel.close()
            if isinstance(error, OSError):
                raise FunctionsUnavailable(f"No worker could be started: {error!r}.") from error
            raise
        return worker

    async def _loaded(self, worker: Worker, deployment: Deployment, program: Program, owner: Owner) -> Worker:
        worker.owner = owner
        self.alive.add(worker)
        metrics.workers.set(len(self.alive))
        try:
            await worker.load(deployment, program, self.settings.load_seconds, self.guard)
        except BaseException:
            worker.kill("it could not be loaded")
            self._gone(worker)  # should it have died on the shelf
            raise
        return worker

    async def _compiled(self, worker: Worker, code: bytes) -> bytes:
        self.alive.add(worker)  # so that its memory is watched
        try:
            return await worker.compile(code, self.settings.load_seconds)
        finally:
            worker.kill(RETIRED)
            self._gone(worker)

    def _gone(self, worker: Worker) -> None:
        self.shelf.forget(worker)
        self.alive.discard(worker)
        if worker.cgroup is not None:
            worker.cgroup.leave()
        metrics.workers.set(len(self.alive))
