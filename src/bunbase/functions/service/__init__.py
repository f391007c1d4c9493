"""Implements the contract of Functions: one file for each part of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.deployments import Bundle, Version, Versions
from bunbase.contracts.functions.hooks import HookAnswer, HookCall, HookName, HookState
from bunbase.contracts.functions.invocations import Chunk, Head, Invocation, Receiving
from bunbase.contracts.functions.logs import LogFilter, LogLine, LogPage
from bunbase.contracts.functions.triggers import (
    Enqueued,
    Job,
    Jobs,
    JobStatus,
    NewJob,
    RunOutcome,
    Runs,
    Schedules,
    TriggerKind,
)
from bunbase.contracts.functions.usage import FunctionStats, Usage
from bunbase.contracts.functions.variables import Variable, Variables
from bunbase.contracts.functions.walks import NewWalk, Rehearsal, Walk, WalkChange, WalkKind, Walks
from bunbase.functions.host_calls.dispatch import HostCalls
from bunbase.functions.logs.buffer import LogBuffer
from bunbase.functions.logs.followers import Followers
from bunbase.functions.logs.retention import LogRetention
from bunbase.functions.service.deletion import Deletion
from bunbase.functions.service.deployments import Deployments
from bunbase.functions.service.hooks import Hooks
from bunbase.functions.service.invocations import Invocations
from bunbase.functions.service.kept_calls import KeptCalls
from bunbase.functions.service.logs import Logs
from bunbase.functions.service.statistics import Statistics
from bunbase.functions.service.triggers import Triggers
from bunbase.functions.service.variables import ProjectVariables
from bunbase.functions.service.walks import WalkService
from bunbase.functions.store import Stores
from bunbase.functions.triggers.feeds import Feeds
from bunbase.functions.triggers.retention import RunRetention
from bunbase.functions.triggers.runner import Runner
from bunbase.functions.triggers.scheduler import Scheduler
from bunbase.functions.usage.meter import Meter
from bunbase.functions.versions.rollout import Rollout
from bunbase.functions.walks.walker import Walker
from bunbase.functions.workers.pool import Pool
from bunbase.functions.workers.prewarmed import USUAL_MB
from bunbase.functions.workers.starter import Starter
from bunbase.pkg.usage.batches import Batch, Receipt


@dataclass(frozen=True, eq=False)
class FunctionsService:
    """Implements the contract: each method calls the part that implements it. `assembly.py` creates the parts."""

    # These methods are the contract.
    deployments: Deployments
    invocations: Invocations
    hooks: Hooks
    log_reading: Logs
    statistics: Statistics
    environment: ProjectVariables
    triggers: Triggers
    walking: WalkService
    deletion: Deletion

    # These methods are not part of the contract. Most of them are the background work.
    kept_calls: KeptCalls
    stores: Stores
    starter: Starter
    pool: Pool
    rollout: Rollout
    host_calls: HostCalls
    log_lines: LogBuffer
    followers: Followers
    log_retention: LogRetention
    meter: Meter
    runner: Runner
    scheduler: Scheduler
    feeds: Feeds
    walker: Walker
    run_retention: RunRetention

    async def deploy(self, caller: Caller, name: str, bundle: Bundle) -> Version:
        return await self.deployments.deploy(caller, name, bundle)

    async def functions(self, caller: Caller, limit: int, cursor: str | None) -> Versions:
        return await self.deployments.functions(caller, limit, cursor)

    async def function(self, caller: Caller, name: str) -> Version:
        return await self.deployments.function(caller, name)

    async def delete_function(self, caller: Caller, name: str) -> None:
        await self.deletion.delete_function(caller, name)

    async def versions(self, caller: Caller, name: str, limit: int, cursor: str | None) -> Versions:
        return await self.deployments.versions(caller, name, limit, cursor)

    async def bundle(self, caller: Caller, name: str, version: int) -> Bundle:
        return await self.deployments.bundle(caller, name, version)

    async def rollback(self, caller: Caller, name: str, version: int | None) -> Version:
        return await self.deployments.rollback(caller, name, version)

    def invoke(self, caller: Caller, name: str, invocation: Invocation) -> AsyncIterator[Receiving | Head | Chunk]:
        return self.invocations.invoke(caller, name, invocation)

    async def feed(self, caller: Caller, invocation: str, data: bytes, ended: bool) -> int | None:
        return await self.invocations.feed(caller, invocation, data, ended)

    async def logs(
        self, caller: Caller, name: str | None, limit: int, cursor: str | None, which: LogFilter | None = None
    ) -> LogPage:
        return await self.log_reading.logs(caller, name, limit, cursor, which)

    def follow_logs(
        self, caller: Caller, name: str | None, after: int | None, which: LogFilter | None = None
    ) -> AsyncIterator[LogLine | None]:
        return self.log_reading.follow_logs(caller, name, after, which)

    async def stats(self, caller: Caller, name: str, hours: int) -> FunctionStats:
        return await self.statistics.stats(caller, name, hours)

    async def add_file_usage(self, batch: Batch[None], sent: datetime) -> Receipt:
        return await self.statistics.add_file_usage(batch, sent)

    async def usage(self, caller: Caller, hours: int) -> Usage:
        return await self.statistics.usage(caller, hours)

    async def variables(self, caller: Caller, reveal: bool) -> Variables:
        return await self.environment.variables(caller, reveal)

    async def set_variable(self, caller: Caller, name: str, value: str, exposed: bool | None = None) -> Variable:
        return await self.environment.set_variable(caller, name, value, exposed)

    async def delete_variable(self, caller: Caller, name: str) -> None:
        await self.environment.delete_variable(caller, name)

    async def enqueue(self, caller: Caller, new: NewJob) -> Job:
        return await self.triggers.enqueue(caller, new)

    async def enqueue_once(self, caller: Caller, new: NewJob, idempotency_key: str) -> Enqueued:
        return await self.triggers.enqueue_once(caller, new, idempotency_key)

    async def hook_state(self, caller: Caller, name: str, hook: HookName) -> HookState:
        return await self.hooks.state(caller, name, hook)

    async def run_hook(self, caller: Caller, call: HookCall) -> HookAnswer:
        return await self.hooks.run(caller, call)

    async def refuse_hook_answer(self, caller: Caller, run: str, reason: str) -> None:
        await self.hooks.refuse_answer(caller, run, reason)

    async def enqueue_hook(self, caller: Caller, call: HookCall, key: str) -> Job:
        return await self.hooks.enqueue(caller, call, key)

    async def jobs(
        self, caller: Caller, state: JobStatus | None, function: str | None, limit: int, cursor: str | None
    ) -> Jobs:
        return await self.triggers.jobs(caller, state, function, limit, cursor)

    async def job(self, caller: Caller, id: str) -> Job:
        return await self.triggers.job(caller, id)

    async def replay_job(self, caller: Caller, id: str) -> Job:
        return await self.triggers.replay_job(caller, id)

    async def delete_job(self, caller: Caller, id: str) -> None:
        await self.triggers.delete_job(caller, id)

    async def schedules(self, caller: Caller, limit: int, cursor: str | None) -> Schedules:
        return await self.triggers.schedules(caller, limit, cursor)

    async def runs(
        self,
        caller: Caller,
        name: str,
        kind: TriggerKind | None,
        outcome: RunOutcome | None,
        limit: int,
        cursor: str | None,
    ) -> Runs:
        return await self.triggers.runs(caller, name, kind, outcome, limit, cursor)

    async def begin_walk(self, caller: Caller, new: NewWalk) -> Walk:
        return await self.walking.begin(caller, new)

    async def rehearse_walk(self, caller: Caller, new: NewWalk) -> Rehearsal:
        return await self.walking.rehearse(caller, new)

    async def walks(self, caller: Caller, kind: WalkKind | None, limit: int, cursor: str | None) -> Walks:
        return await self.walking.walks(caller, kind, limit, cursor)

    async def walk(self, caller: Caller, id: str) -> Walk:
        return await self.walking.walk(caller, id)

    async def change_walk(self, caller: Caller, id: str, change: WalkChange) -> Walk:
        return await self.walking.change(caller, id, change)

    async def sandbox_layers(self) -> tuple[str, ...]:
        return await self.starter.sandbox.layers()

    async def pause_project(self, project: str, paused: bool) -> None:
        await self.deletion.pause_project(project, paused)

    async def drop_project(self, project: str) -> None:
        await self.deletion.drop_project(project)

    async def prewarm(self) -> None:
        """Start the workers that wait for a bundle, in the memory sizes that functions use most."""
        prewarmed = self.starter.prewarmed
        prewarmed.expect(await self.stores.functions.memory_sizes(USUAL_MB, prewarmed.size))
        prewarmed.fill()

    async def watch_workers(self) -> None:
        """Enforce the limits on memory and processor time, and end old and idle workers."""
        self.starter.watch_memory()
        self.starter.watch_cpu()
        self.pool.tend()

    async def close(self) -> None:
        await self.feeds.close()
        await self.walker.close()
        await self.kept_calls.close()
        # This comes before the pool is closed, because a killed worker would count as a failed run.
        await self.runner.close()
        await self.pool.close()
        await self.host_calls.close()
        await self.meter.close()
        await self.log_lines.flush()
