"""Shares workers out: who gets a call at once, who waits, when another worker starts and which idle one makes room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from typing import Any, Final

from bunbase.contracts.functions import FunctionError, FunctionOverloaded, FunctionsUnavailable, LogLevel
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.call import Call
from bunbase.functions.workers.deployment import Deployment, Fetch, Request, Said, Say
from bunbase.functions.workers.group import Group, Waiter
from bunbase.functions.workers.starter import Starter
from bunbase.functions.workers.worker import RETIRED, LoadFailed, Worker
from bunbase.pkg.errors import Internal, Problem
from bunbase.pkg.logger import logger

log = logger("functions")

RETRY_AFTER_SECONDS: Final = 1


class Pool:
    """`fetch` gives the code and variables of a deployment when a worker is to be started."""

    def __init__(self, starter: Starter, fetch: Fetch, say: Say, settings: FunctionsSettings) -> None:
        self.starter = starter
        self.fetch = fetch
        self.say = say
        self.settings = settings
        self.groups: dict[Deployment, Group] = {}
        self.starts: set[asyncio.Task[None]] = set()
        self.closed = False

    async def start(self, deployment: Deployment, request: Request) -> Call:
        """Give the call once a worker has it.

        Raises: FunctionOverloaded, FunctionsUnavailable, FunctionError if the bundle does not load.
        """
        group = self._group(deployment)
        if not group.queue and (worker := group.free_worker()) is not None:
            return worker.begin(request)
        if len(group.queue) >= self.settings.max_waiting:
            raise _overloaded(f"{len(group.queue)} calls of it are waiting already")
        waiter = Waiter(request, asyncio.get_running_loop().create_future())
        group.queue.append(waiter)
        self._grow(group)
        try:
            async with asyncio.timeout(self.settings.wait_seconds):
                return await waiter.started
        except TimeoutError:
            self._leave(group, waiter)
            raise _overloaded(f"no worker came free within {self.settings.wait_seconds:g} s") from None
        except asyncio.CancelledError:
            self._leave(group, waiter)
            raise

    def deployments(self, project: str, name: str = "") -> list[Deployment]:
        """List what has workers here, of one function or of the whole project."""
        return [one for one in self.groups if one.project == project and name in ("", one.name)]

    def retire(self, deployment: Deployment) -> None:
        """Let the workers end after the calls that they have or that wait for them."""
        if (group := self.groups.get(deployment)) is not None:
            group.retire()
            self._tidy(group)

    def drop(self, deployment: Deployment, why: str) -> None:
        """End the workers now."""
        if (group := self.groups.get(deployment)) is not None:
            group.fail(FunctionsUnavailable(f"The function was stopped: {why}."))
            group.kill(why)
            self._tidy(group)

    def end_idle(self) -> None:
        before = time.monotonic() - self.settings.idle_seconds
        for worker in [worker for worker in self._idle_workers() if worker.idle_since < before]:
            worker.kill(RETIRED)

    async def close(self) -> None:
        self.closed = True
        for group in self.groups.values():
            group.fail(FunctionsUnavailable("BunBase is shutting down."))
        for task in self.starts:
            task.cancel()
        await asyncio.gather(*self.starts, return_exceptions=True)
        await self.starter.close()

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

    def _grow(self, group: Group) -> None:
        """Start a worker if calls wait that none under way will take, and if one more may be."""
        if self.closed or not group.wants_worker or group.size >= self.settings.max_workers_per_function:
            return
        if sum(one.size for one in self.groups.values()) >= self.settings.max_workers and not self._make_room():
            return  # a worker that becomes idle makes room: see _freed
        group.starting += 1
        self._run(self._start(group))

    async def _start(self, group: Group) -> None:
        deployment = group.deployment
        problem: Problem | None = None
        try:
            program = await self.fetch(deployment)
            worker = await self.starter.start(deployment, program, self.say, self._freed, self._died)
            if not worker.dead:
                group.workers.add(worker)
        except LoadFailed as failure:
            self.say(Said(deployment, "", LogLevel.ERROR, f"The function could not be loaded. {failure}"))
            problem = FunctionError("The function could not be loaded; its log says why.")
        except Problem as failure:
            problem = failure
        except Exception:
            log.exception("a worker could not be started", project=deployment.project, function=deployment.name)
            problem = Internal("A worker could not be started.")
        finally:
            group.starting -= 1
        if problem is not None and not group.size:
            group.fail(problem)
        group.feed()
        self._grow(group)
        self._tidy(group)

    def _freed(self, worker: Worker) -> None:
        group = self.groups[worker.deployment]
        group.feed()
        if worker.idle:
            self._serve_the_hungry()

    def _died(self, worker: Worker) -> None:
        group = self.groups.get(worker.deployment)
        if group is not None and worker in group.workers:
            group.workers.discard(worker)
            self._grow(group)
            self._tidy(group)
            # not at once: when it was ended to make room, whom the room is for comes first
            asyncio.get_running_loop().call_soon(self._serve_the_hungry)

    def _serve_the_hungry(self) -> None:
        """Let functions that wait for their first worker have one; those that have some wait for their own."""
        for group in list(self.groups.values()):
            if group.queue and not group.size:
                self._grow(group)

    def _make_room(self) -> bool:
        """End the worker that has been idle longest."""
        idle = min(self._idle_workers(), key=lambda worker: worker.idle_since, default=None)
        if idle is None:
            return False
        idle.kill(RETIRED)
        return True

    def _idle_workers(self) -> Iterator[Worker]:
        for group in self.groups.values():
            yield from (worker for worker in group.workers if worker.idle and not group.queue)

    def _tidy(self, group: Group) -> None:
        if group.empty and self.groups.get(group.deployment) is group:
            del self.groups[group.deployment]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.starts.add(task)
        task.add_done_callback(self.starts.discard)


def _overloaded(why: str) -> FunctionOverloaded:
    return FunctionOverloaded(f"Try again soon: {why}.", retry_after_seconds=RETRY_AFTER_SECONDS)
