"""The pool of workers: assigns each call to a worker, and decides when workers start and end.

The life of one call:
1. `start` gives the call to a free worker. If no worker is free, the call waits in the queue of its deployment.
2. `_serve` starts workers for the deployments whose calls wait (`_hungry`), as far as the limits allow.
3. If a limit is reached, `_make_room` ends a worker of another deployment: an idle worker immediately, or a busy worker
   after its calls. `shares.py` chooses the worker.
4. When a worker has loaded its bundle (`_join`), or has finished a call (`on_free`), it takes calls from the queue.

The difficult part is the place of a worker that ends. `shares` counts a worker from the decision to start it (`_grow`)
until the worker is killed (`on_death`). When `_grow` kills an idle worker to make room, `on_death` runs inside of
`_grow`, before `_grow` has counted the worker that it is about to start. If `on_death` served the queues immediately,
it would see a free place and start a worker for another deployment. After that, `_grow` would start its own worker, and
there would be one more than the limit allows. So `on_death` serves the queues in the next turn of the event loop. The
alternative, to count the new worker before the old worker is killed, was rejected: every return and error between the
two would have to undo the count.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from bunbase.contracts.functions.logs import LogLevel
from bunbase.contracts.functions.problems import FunctionCrashed, FunctionError, FunctionsUnavailable
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.call import Call, Outcome
from bunbase.functions.workers.deployment import Deployment, LogRecord, Request, WriteLog
from bunbase.functions.workers.group import Group
from bunbase.functions.workers.program import Load
from bunbase.functions.workers.shares import idle_longest, who_gives_way
from bunbase.functions.workers.start import LoadFailed, WorkerDied
from bunbase.functions.workers.starter import Starter
from bunbase.functions.workers.waiting import Waiter, WaitingRoom, overloaded
from bunbase.functions.workers.worker import RETIRED, Worker, WorkerListener
from bunbase.pkg import metrics
from bunbase.pkg.errors import Internal, Problem
from bunbase.pkg.logger import logger

log = logger("functions")

# A worker's lifetime is shortened at random by up to this share, so that workers that started together end separately.
MAX_SHORTENED: Final = 0.2

CountCall = Callable[[Worker, Call, Outcome, float], None]


class Pool(WorkerListener):
    """Assigns calls to workers. `load(deployment)` returns the code and the variables for a new worker.

    `write_log(record)` takes the log lines of functions. The pool calls `count_call` for each call that has ended, with
    its duration in seconds, and `count_death` for each worker that has ended.
    """

    def __init__(
        self,
        starter: Starter,
        load: Load,
        write_log: WriteLog,
        settings: FunctionsSettings,
        count_call: CountCall = lambda *_: None,
        count_death: Callable[[Worker], None] = lambda _: None,
    ) -> None:
        self.starter = starter
        self.load = load
        self.write_log = write_log
        self.count_call = count_call
        self.count_death = count_death
        self.settings = settings
        self.groups: dict[Deployment, Group] = {}
        self.waiting = WaitingRoom(settings)
        self.shares: Counter[str] = Counter()  # The number of workers of each project that run or are starting.
        self.starts: set[asyncio.Task[None]] = set()
        self.closed = False
        self.drained = asyncio.Event()

    async def start(self, deployment: Deployment, request: Request) -> Call:
        """Return the call after a worker has begun it.

        Raises: FunctionOverloaded, FunctionsUnavailable; FunctionError if the bundle does not load; FunctionCrashed if
        the workers that tried to load the bundle died.
        """
        group = self._group(deployment)
        if not group.queue and (worker := group.free_worker()) is not None:
            return worker.begin(request)
        waiter = self.waiting.enter(deployment.project, len(group.queue), request)
        group.queue.append(waiter)
        if self._hungry(group):
            self._serve()
        try:
            await asyncio.sleep(0)  # Fast routes begin outside of a task, and asyncio.timeout works only in a task.
            async with asyncio.timeout(self.settings.wait_seconds):
                call = await waiter.started
        except TimeoutError:
            self._leave(group, waiter)
            raise overloaded(f"no worker came free within {self.settings.wait_seconds:g} s") from None
        except asyncio.CancelledError:
            self._leave(group, waiter)
            raise
        metrics.queue_seconds.observe(time.monotonic() - waiter.since)
        return call

    def deployments(self, project: str, name: str = "") -> list[Deployment]:
        """Return the deployments of a project, or of one function, that have workers or waiting calls."""
        return [one for one in self.groups if one.project == project and name in ("", one.name)]

    def retire(self, deployment: Deployment) -> None:
        """End the workers of a deployment after their running and waiting calls."""
        if (group := self.groups.get(deployment)) is not None:
            group.retire()
            self._tidy(group)

    def keep(self, deployment: Deployment) -> None:
        """Undo `retire`: the deployment is active again. Workers that are already retiring still end."""
        if (group := self.groups.get(deployment)) is not None:
            group.retiring = False

    def drop(self, deployment: Deployment, why: str) -> None:
        """End the workers of a deployment immediately. The waiting calls of the deployment fail."""
        if (group := self.groups.get(deployment)) is not None:
            group.fail(FunctionsUnavailable(f"The function was stopped: {why}."))
            group.kill(why)
            self._tidy(group)

    def tend(self) -> None:
        """End workers that were idle for too long or are too old, and serve waiting calls. Called at intervals."""
        now, settings = time.monotonic(), self.settings
        for worker in [worker for group in self.groups.values() for worker in group.workers]:
            age = now - worker.loaded_at
            if worker.idle and now - worker.idle_since > settings.idle_seconds:
                worker.kill(RETIRED)
            elif age > worker.best_before or worker.served >= settings.max_worker_calls:
                worker.retire()
        if self.waiting.calls:
            self._serve()

    async def close(self) -> None:
        """Refuse the waiting calls, let running calls end for up to `drain_seconds`, then end every worker."""
        self.closed = True
        for group in self.groups.values():
            group.fail(FunctionsUnavailable("BunBase is shutting down."))
        for task in self.starts:
            task.cancel()
        await asyncio.gather(*self.starts, return_exceptions=True)
        if self._busy:
            try:
                async with asyncio.timeout(self.settings.drain_seconds):
                    await self.drained.wait()
            except TimeoutError:
                log.warning("calls were still under way when BunBase stopped")
        await self.starter.close()

    # Handlers of the events of workers.

    def on_log(self, record: LogRecord) -> None:
        self.write_log(record)

    def on_free(self, worker: Worker) -> None:
        if not self.waiting.calls:
            return
        self.groups[worker.deployment].feed()
        if worker.idle:
            self._serve()

    def on_call_ended(self, worker: Worker, call: Call, outcome: Outcome, seconds: float) -> None:
        self.count_call(worker, call, outcome, seconds)
        if self.closed and not self._busy:
            self.drained.set()

    def on_death(self, worker: Worker) -> None:
        group = self.groups.get(worker.deployment)
        if group is None or worker not in group.workers:
            return
        self.count_death(worker)
        group.workers.discard(worker)
        self._share(group, -1)
        self._tidy(group)
        # This waits for the next turn of the event loop: `_grow` may have killed this worker, and has not counted the
        # new worker yet.
        asyncio.get_running_loop().call_soon(self._serve)

    # Methods that start workers.

    def _serve(self) -> None:
        """Start workers for the deployments with waiting calls.

        Each deployment gets one worker before any deployment gets a second worker.
        """
        while not self.closed:
            hungry = [group for group in self.groups.values() if self._hungry(group)]
            hungry.sort(key=lambda group: (self.shares[group.deployment.project], group.size, group.queue[0].since))
            grown = [self._grow(group, len(hungry)) for group in hungry]
            if not any(grown):
                return

    def _hungry(self, group: Group) -> bool:
        """True if more calls wait than the starting workers can serve, and the function may have another worker."""
        return group.wants_worker and group.size < self.settings.max_workers_per_function

    def _grow(self, group: Group, hungry: int) -> bool:
        project, settings = group.deployment.project, self.settings
        if self.shares[project] >= settings.max_workers_per_project:
            within: Iterable[Group] = [one for one in self.groups.values() if one.deployment.project == project]
        elif self.shares.total() >= settings.max_workers:
            within = self.groups.values()
        else:
            within = ()
        if within and not self._make_room(group, list(within), hungry):
            return False  # After a worker has ended, `on_death` calls `_serve` again.
        group.starting += 1
        self._share(group, 1)
        self._run(self._start(group))
        return True

    def _make_room(self, needy: Group, within: list[Group], hungry: int) -> bool:
        """Return True if an idle worker was ended. Otherwise retire a busy worker, and return False.

        The number of retired workers never exceeds the number of deployments that wait.
        """
        if (idle := idle_longest(within)) is not None:
            idle.kill(RETIRED)
            return True
        leaving = sum(worker.retiring for group in within for worker in group.workers)
        if leaving < hungry and (worker := who_gives_way(needy, within, time.monotonic())) is not None:
            worker.retire()
        return False

    async def _start(self, group: Group) -> None:
        deployment = group.deployment
        problem: Problem | None = None
        worker: Worker | None = None
        try:
            program = await self.load(deployment)
            worker = await self.starter.start(deployment, program, self)
        except LoadFailed as failure:
            self.write_log(LogRecord(deployment, "", LogLevel.ERROR, f"The function could not be loaded. {failure}"))
            kind = FunctionCrashed if isinstance(failure, WorkerDied) else FunctionError
            problem = kind("The function could not be loaded; its log says why.")
        except Problem as failure:
            problem = failure
        except Exception:
            log.exception("a worker could not be started", project=deployment.project, function=deployment.name)
            problem = Internal("A worker could not be started.")
        finally:
            group.starting -= 1
            if worker is None or worker.dead:
                self._share(group, -1)
        if worker is not None and not worker.dead:
            self._join(group, worker)
        elif problem is not None and not group.size:
            group.fail(problem)
        self._tidy(group)

    def _join(self, group: Group, worker: Worker) -> None:
        metrics.cold_starts.inc()
        shortened = random.random() * MAX_SHORTENED  # noqa: S311 - no secret
        worker.best_before = self.settings.max_worker_seconds * (1 - shortened)
        group.workers.add(worker)
        group.feed()
        if worker.idle and not worker.dead:
            self._serve()

    def _group(self, deployment: Deployment) -> Group:
        if self.closed:
            raise FunctionsUnavailable("BunBase is shutting down.")
        group = self.groups.get(deployment)
        if group is None:
            group = self.groups[deployment] = Group(deployment)
        return group

    def _leave(self, group: Group, waiter: Waiter) -> None:
        """Take a waiter out of the queue. If its call has started meanwhile, abandon the call."""
        if waiter in group.queue:
            group.queue.remove(waiter)
        elif not waiter.started.cancelled() and waiter.started.exception() is None:
            waiter.started.result().abandon()
        self._tidy(group)

    def _share(self, group: Group, change: int) -> None:
        project = group.deployment.project
        self.shares[project] += change
        if not self.shares[project]:
            del self.shares[project]

    def _tidy(self, group: Group) -> None:
        if group.empty and self.groups.get(group.deployment) is group:
            del self.groups[group.deployment]

    @property
    def _busy(self) -> bool:
        """True while a client still reads an answer, or a call still works after its answer (waitUntil)."""
        calls = (call for worker in self.starter.alive for call in worker.calls.values())
        return any(call.lingers or not call.abandoned for call in calls)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.starts.add(task)
        task.add_done_callback(self.starts.discard)
