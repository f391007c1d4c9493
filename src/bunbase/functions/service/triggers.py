"""Lists, adds, replays and deletes jobs, and lists schedules and runs, for developers and the project's servers."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.functions.triggers import (
    Enqueued,
    Job,
    JobNotDead,
    JobNotFound,
    JobRunning,
    Jobs,
    JobStatus,
    NewJob,
    RunOutcome,
    Runs,
    Schedules,
    TriggerKind,
)
from bunbase.functions.service.existing import existing_version
from bunbase.functions.service.kept_calls import KeptCalls
from bunbase.functions.store import Stores
from bunbase.functions.store.jobs import StoredJob
from bunbase.functions.triggers.queue import Queue, shown
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import Forbidden

NEWEST: Final = 2**63 - 1  # This is the largest bigint of PostgreSQL.
Seq = Annotated[int, msgspec.Meta(ge=0, le=NEWEST)]


class Triggers:
    def __init__(self, stores: Stores, queue: Queue, clock: Clock, kept_calls: KeptCalls) -> None:
        self.stores = stores
        self.queue = queue
        self.clock = clock
        self.kept_calls = kept_calls

    async def enqueue(self, caller: Caller, new: NewJob) -> Job:
        _check_enqueuing(caller)
        return await self.queue.enqueue(caller.project, new)

    async def enqueue_once(self, caller: Caller, new: NewJob, idempotency_key: str) -> Enqueued:
        if not idempotency_key:
            return Enqueued(await self.enqueue(caller, new))
        # This is also checked for a job of an earlier attempt, because this token may have fewer scopes.
        _check_enqueuing(caller)
        request = msgspec.json.encode(new)
        prepared = self.queue.prepared(new)
        job, replayed = await self.kept_calls.enqueue(
            caller, idempotency_key, request, prepared.job, lambda: self.queue.add(caller.project, prepared)
        )
        self.queue.on_added()  # This sets the event again, because the transaction has ended only now.
        return Enqueued(job, replayed)

    async def jobs(
        self, caller: Caller, state: JobStatus | None, function: str | None, limit: int, cursor: str | None
    ) -> Jobs:
        caller.check(Act.JOB_LIST)
        if function is not None and not function.isprintable():
            return Jobs(())
        query = f"jobs:{caller.project}:{state}:{function}"
        before = page_start(query, cursor, Seq, NEWEST)
        found = await self.stores.jobs.jobs(caller.project, before, state, function, limit + 1)
        page, following = cut_page(found, limit, query, lambda job: job.seq)
        return Jobs(tuple(shown(one) for one in page), following)

    async def job(self, caller: Caller, id: str) -> Job:
        caller.check(Act.JOB_READ)
        return shown(await self._stored(caller.project, id))

    async def replay_job(self, caller: Caller, id: str) -> Job:
        caller.check(Act.JOB_REPLAY)
        stored = await self._stored(caller.project, id)
        if not await self.stores.jobs.replay(caller.project, id, self.clock.now()):
            why = "another job has its key" if stored.state is JobStatus.DEAD else f"it is {stored.state.value}"
            raise JobNotDead(f"Only a dead letter can be replayed, and {why}.")
        self.queue.on_added()
        return shown(await self._stored(caller.project, id))

    async def delete_job(self, caller: Caller, id: str) -> None:
        caller.check(Act.JOB_DELETE)
        stored = await self._stored(caller.project, id)
        if not await self.stores.jobs.delete(caller.project, stored, self.clock.now()):
            raise JobRunning(
                "The job is running. Delete it after its current attempt, which ends within the function's timeout_ms."
            )

    async def schedules(self, caller: Caller, limit: int, cursor: str | None) -> Schedules:
        caller.check(Act.SCHEDULE_READ)
        query = f"schedules:{caller.project}"
        after = page_start(query, cursor, str, "")
        found = await self.stores.schedules.schedules(caller.project, after, limit + 1)
        page, following = cut_page(found, limit, query, lambda schedule: schedule.function)
        return Schedules(tuple(page), following)

    async def runs(
        self,
        caller: Caller,
        name: str,
        kind: TriggerKind | None,
        outcome: RunOutcome | None,
        limit: int,
        cursor: str | None,
    ) -> Runs:
        caller.check(Act.LOG_READ)
        await existing_version(self.stores.functions, caller.project, name)
        query = f"runs:{caller.project}:{name}:{kind}:{outcome}"
        before = page_start(query, cursor, Seq, NEWEST)
        found = await self.stores.runs.before(caller.project, name, before, kind, outcome, limit + 1)
        page, following = cut_page(found, limit, query, lambda run: run.seq)
        return Runs(tuple(one.shown() for one in page), following)

    async def _stored(self, project: str, id: str) -> StoredJob:
        found = await self.stores.jobs.job(project, id) if id.isascii() and id.isprintable() else None
        if found is None:
            raise JobNotFound(
                "The project has no job with this id. BunBase deletes a job that has succeeded and keeps its run."
            )
        return found


def _check_enqueuing(caller: Caller) -> None:
    """Check that the caller may enqueue jobs. Raises: Forbidden, InsufficientScope."""
    if caller.kind not in (CallerKind.DEVELOPER, CallerKind.SECRET):
        raise Forbidden("Enqueuing a job requires the project's secret key. Send the request from a server.")
    caller.check(Act.JOB_CREATE)
