"""Assigns calls to workers: a free one at once, or a place in the queue; starts workers, and ends others for room."""

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
from bunbase.functions.workers.deployment import Deployment, Request, Said, Say
from bunbase.functions.workers.group import Group
from bunbase.functions.workers.program import Fetch
from bunbase.functions.workers.shares import idle_longest, who_gives_way
from bunbase.functions.workers.start import LoadFailed, WorkerDied
from bunbase.functions.workers.starter import Starter
from bunbase.functions.workers.waiting import Waiter, WaitingRoom, overloaded
from bunbase.functions.workers.worker import RETIRED, Owner, Worker
from bunbase.pkg import metrics
from bunbase.pkg.errors import Internal, Problem
from bunbase.pkg.logger import logger

log = logger("functions")

EARLIER: Final = 0.2  # of its time, at random, so that workers born together do not all end together

Ended = Callable[[Worker, Call, Outcome, float], None]


class Pool(Owner):
    """`fetch` gives the code and variables of a deployment when a worker is to be started; `tell` hears of every
    call that has ended, with its seconds, `tell_death` of every worker.
    """

    def __init__(
        self,
        starter: Starter,
        fetch: Fetch,
        say: Say,
        settings: FunctionsSettings,
        tell: Ended = lambda *_: None,
        tell_death: Callable[[Worker], None] = lambda _: None,
    ) -> None:
        self.starter = starter
        self.fetch = fetch
        self.say = say
        self.tell = tell
        self.tell_death = tell_death
        self.settings = settings
        self.groups: dict[Deployment, Group] = {}
        self.waiting = WaitingRoom(settings)
        self.shares: Counter[str] = Counter()  # by project: workers, those included that are being started
        self.starts: set[asyncio.Task[None]] = set()
        self.closed = False
        self.drained = asyncio.Event()

    async def start(self, deployment: Deployment, request: Request) -> Call:
        """Return the call once a worker has begun it.

        Raises: FunctionOverloaded, FunctionsUnavailable; FunctionError if the bundle does not load, FunctionCrashed if
        its workers died of it.
        """
        group = self._group(deployment)
        if not group.queue and (worker := group.free_worker()) is not None:
            return worker.begin(request)
        waiter = self.waiting.enter(deployment.project, len(group.queue), request)
        group.queue.append(waiter)
        if self._hungry(group):
            self._serve()
        try:
            await asyncio.sleep(0)  # the fast lane begins outside of a task; a timeout needs one
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
        """List what has workers here, of one function or of the whole project."""
        return [one for one in self.groups if one.project == project and name in ("", one.name)]

    def retire(self, deployment: Deployment) -> None:
        """Let the workers end after the calls that they have or that wait for them."""
        if (group := self.groups.get(deployment)) is not None:
            group.retire()
            self._tidy(group)

    def keep(self, deployment: Deployment) -> None:
        """Take back `retire`: it is what runs again, though some of its workers may end yet."""
        if (group := self.groups.get(deployment)) is not None:
            group.retiring = False

    def drop(self, deployment: Deployment, why: str) -> None:
        """End the workers now."""
        if (group := self.groups.get(deployment)) is not None:
            group.fail(FunctionsUnavailable(f"The function was stopped: {why}."))
            group.kill(why)
            self._tidy(group)

    def tend(self) -> None:
        """End workers that have been idle for long, replace the old ones, see who waits."""
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
        """Turn away who waits, let calls under way end for a while, then end every worker."""
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

    # events of the workers

    def said(self, said: Said) -> None:
        self.say(said)

    def free(self, worker: Worker) -> None:
        if not self.waiting.calls:
            return
        self.groups[worker.deployment].feed()
        if worker.idle:
            self._serve()

    def ended(self, worker: Worker, call: Call, outcome: Outcome, seconds: float) -> None:
        self.tell(worker, call, outcome, seconds)
        if self.closed and not self._busy:
            self.drained.set()

    def died(self, worker: Worker) -> None:
        group = self.groups.get(worker.deployment)
        if group is None or worker not in group.workers:
            return
        self.tell_death(worker)
        group.workers.discard(worker)
        self._share(group, -1)
        self._tidy(group)
        # not at once: when it was ended to make room, whom the room is for comes first
        asyncio.get_running_loop().call_soon(self._serve)

    # starting workers

    def _serve(self) -> None:
        """Start workers for those who wait, one each before anybody gets a second, as far as there is room."""
        while not self.closed:
            hungry = [group for group in self.groups.values() if self._hungry(group)]
            hungry.sort(key=lambda group: (self.shares[group.deployment.project], group.size, group.queue[0].since))
            grown = [self._grow(group, len(hungry)) for group in hungry]
            if not any(grown):
                return

    def _hungry(self, group: Group) -> bool:
        """True if calls wait that no starting worker will take, and the function may have one more worker."""
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
            return False  # whoever makes room later says so: see died
        group.starting += 1
        self._share(group, 1)
        self._run(self._start(group))
        return True

    def _make_room(self, needy: Group, within: list[Group], hungry: int) -> bool:
        """End a worker without calls, at once; or ask one that has some to end after them."""
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
            program = await self.fetch(deployment)
            worker = await self.starter.start(deployment, program, self)
        except LoadFailed as failure:
            self.say(Said(deployment, "", LogLevel.ERROR, f"The function could not be loaded. {failure}"))
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
        worker.best_before = self.settings.max_worker_seconds * (1 - random.random() * EARLIER)  # noqa: S311 - no secret
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
        """Take a waiter out of the queue; should its call have started at this very moment, nobody will read it."""
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
        """Somebody still reads an answer, or a call works on behind its own."""
        calls = (call for worker in self.starter.alive for call in worker.calls.values())
        return any(call.lingers or not call.abandoned for call in calls)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.starts.add(task)
        task.add_done_callback(self.starts.discard)
