"""Makes one attempt of a job: calls the function, reads its answer to the end, and records the result."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import msgspec

from bunbase.contracts.bundoc.problems import BundocBusy, CollectionNotFound, DocumentNotFound, ResyncRequired
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.problems import (
    FunctionCpuExceeded,
    FunctionCrashed,
    FunctionNotFound,
    FunctionOverloaded,
    FunctionsUnavailable,
    FunctionTimeout,
)
from bunbase.contracts.functions.triggers import Run, RunOutcome, TriggerKind
from bunbase.functions.store.jobs import ClaimedJob
from bunbase.functions.triggers.records import RunRecords
from bunbase.functions.triggers.requests import KeptChange, change_event, kept_change, request_of
from bunbase.functions.workers.call import Call
from bunbase.functions.workers.deployment import Deployment, Request, Trigger
from bunbase.pkg.errors import DeadlineExceeded, Internal, Problem, Unreachable
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("functions")

FAILED_STATUS: Final = 400

# The function is not the cause of these problems, so they do not use up an attempt. FunctionNotFound is one of them:
# either the function was deleted together with its jobs, or only the version that was looked up was deleted.
PASSING: Final = (
    FunctionNotFound, FunctionOverloaded, FunctionsUnavailable, Unreachable, BundocBusy, DeadlineExceeded,
)  # fmt: skip


class AttemptResult(msgspec.Struct, frozen=True):
    outcome: RunOutcome
    code: str | None = None


class Attempts:
    """Makes attempts. `find(project, name)` returns the active deployment of a function; `start` begins its calls."""

    def __init__(
        self,
        records: RunRecords,
        bundoc: Bundoc,
        find: Callable[[str, str], Awaitable[Deployment]],
        start: Callable[[Deployment, Request], Awaitable[Call]],
        max_put_off_seconds: float,
    ) -> None:
        self.records = records
        self.clock = records.clock
        self.bundoc = bundoc
        self.find = find
        self.start = start
        self.max_put_off = timedelta(seconds=max_put_off_seconds)

    async def make(self, job: ClaimedJob) -> None:
        """Run the job once. If it cannot begin now, postpone it; if it was postponed for too long, count a failure."""
        began_at, began = self.clock.now(), time.perf_counter()
        trigger = Trigger(job.kind, job.id, job.attempt, job.due_at, job.depth)
        request, version = request_of(trigger, job.payload), 0
        try:
            request = msgspec.structs.replace(request, body=await self._body(job))
            deployment = await self.find(job.project, job.function)
            version = deployment.version
            call = await self.start(deployment, request)
            job = msgspec.structs.replace(job, put_off_since=None)  # the run has begun
            result = await self._result(call)
        except PASSING as problem:
            if not self._is_put_off_too_long(job):
                await self.records.postpone(job, problem.code)
                return
            log.warning("a job was given up: it could not begin for too long", job=job.id, project=job.project)
            job, version = msgspec.structs.replace(job, attempts=job.attempt), 0  # no further attempts
            result = AttemptResult(RunOutcome.ERROR, problem.code)
        except Problem as problem:
            result = AttemptResult(outcome_of(problem), problem.code)
        except Exception:
            log.exception("a run failed", job=job.id, project=job.project, function=job.function)
            result = AttemptResult(RunOutcome.ERROR, Internal.code)
        duration_ms = round((time.perf_counter() - began) * 1000, 3)
        run = Run(
            new_id("run"), job.function, version, job.kind, job.id, job.attempt, began_at, duration_ms,
            result.outcome, result.code, request.invocation if version else "",
        )  # fmt: skip
        await self.records.settle(job, run)

    def _is_put_off_too_long(self, job: ClaimedJob) -> bool:
        """True if the job has been postponed for longer than `max_put_off_seconds`."""
        return job.put_off_since is not None and self.clock.now() - job.put_off_since >= self.max_put_off

    async def _body(self, job: ClaimedJob) -> bytes:
        """Return the body of the request. For a change, it includes the document as it is now and as it was before."""
        if job.kind is not TriggerKind.CHANGE:
            return job.payload
        changed = kept_change(job.payload)
        caller = Caller(CallerKind.SECRET, job.project)
        before = await self._image(caller, changed) if changed.has_image else None
        try:
            found = await self.bundoc.get(caller, changed.collection, changed.id)
        except (DocumentNotFound, CollectionNotFound):
            return change_event(changed, None, before)
        return change_event(changed, found.body, before)

    async def _image(self, caller: Caller, changed: KeptChange) -> bytes | None:
        """Return the document before the change, None if the change log no longer has it."""
        try:
            found = (await self.bundoc.changes(caller, changed.seq - 1, 1, 0)).items
        except ResyncRequired:
            return None
        is_same = found and (found[0].id, found[0].rev, found[0].at) == (changed.id, changed.rev, changed.at)
        return found[0].before if is_same else None  # after a restore, the number may name another change

    async def _result(self, call: Call) -> AttemptResult:
        """Read all of the answer: only its end shows that the function succeeded."""
        try:
            head = await call.head()
            while await call.read():
                pass
        finally:
            call.abandon()
        if head.status >= FAILED_STATUS:
            return AttemptResult(RunOutcome.ERROR, f"http_{head.status}")
        return AttemptResult(RunOutcome.OK)


def outcome_of(problem: Problem) -> RunOutcome:
    match problem:
        case FunctionTimeout() | FunctionCpuExceeded():
            return RunOutcome.TIMEOUT
        case FunctionCrashed():
            return RunOutcome.CRASH
        case _:
            return RunOutcome.ERROR
