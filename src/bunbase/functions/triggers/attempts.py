"""Makes one attempt of a job or a batch: calls the function, reads the whole answer, and records the result."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
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
from bunbase.functions.store.batches import Batch
from bunbase.functions.store.jobs import ClaimedJob
from bunbase.functions.triggers.batches import Batches, body_of
from bunbase.functions.triggers.records import RunRecords
from bunbase.functions.triggers.requests import KeptChange, change_event, kept_change, request_of
from bunbase.functions.workers.call import Call
from bunbase.functions.workers.deployment import Deployment, Request, Trigger
from bunbase.functions.workers.whole_answer import FAILED_STATUS, read_to_end
from bunbase.pkg.errors import DeadlineExceeded, Internal, Problem, Unreachable
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("functions")

# The function is not the cause of these problems, so they do not count as an attempt. FunctionNotFound is one of these
# problems: either the function was deleted with its jobs, or only the version that was looked up was deleted.
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
        batches: Batches,
        bundoc: Bundoc,
        find: Callable[[str, str], Awaitable[Deployment]],
        start: Callable[[Deployment, Request], Awaitable[Call]],
    ) -> None:
        self.records = records
        self.batches = batches
        self.clock = records.clock
        self.bundoc = bundoc
        self.find = find
        self.start = start

    async def make(self, batch: Batch) -> None:
        """Run the jobs once, in one call. If they cannot begin now, postpone them.

        If a single job was postponed for too long, count it as failed.
        """
        began_at, began = self.clock.now(), time.perf_counter()
        job, version, invocation = batch.first, 0, ""
        try:
            deployment = await self.find(job.project, job.function)
            request, batch = await self._request(batch, deployment)
            version, invocation = deployment.version, request.invocation
            call = await self.start(deployment, request)
            # The run has begun, so the job no longer counts as put off.
            job = msgspec.structs.replace(job, put_off_since=None)
            result = result_of(await read_to_end(call, drop))
        except PASSING as problem:
            if batch.size > 1 or not self.batches.is_put_off_too_long(job):
                await self.records.postpone(batch, problem.code)
                return
            log.warning("a job was given up: it could not begin for too long", job=job.id, project=job.project)
            job, version = msgspec.structs.replace(job, attempts=job.attempt), 0  # There are no further attempts.
            result = AttemptResult(RunOutcome.ERROR, problem.code)
        except Problem as problem:
            result = AttemptResult(outcome_of(problem), problem.code)
        except Exception:
            log.exception("a run failed", job=job.id, project=job.project, function=job.function)
            result = AttemptResult(RunOutcome.ERROR, Internal.code)
        duration_ms = round((time.perf_counter() - began) * 1000, 3)
        run = Run(
            new_id("run"), job.function, version, job.kind, job.id, job.attempt, began_at, duration_ms,
            result.outcome, result.code, invocation if version else "", batch.size,
        )  # fmt: skip
        await self.records.settle(batch if batch.size > 1 else Batch((job,)), run)

    async def _request(self, batch: Batch, deployment: Deployment) -> tuple[Request, Batch]:
        """Return the request, and the batch without the jobs that do not fit into the request."""
        job = batch.first
        trigger = Trigger(job.kind, job.id, job.attempt, job.due_at, job.depth)
        if job.kind is not TriggerKind.CHANGE or deployment.config.max_batch is None:
            alone = batch.first_jobs(1)  # A new version may no longer have `max_batch`.
            await self.batches.put_back(batch, alone)
            return request_of(trigger, await self._body(job)), alone
        body, count = await body_of(batch, self._body)
        fitting = batch.first_jobs(count)
        await self.batches.put_back(batch, fitting)
        return request_of(trigger, body), fitting

    async def _body(self, job: ClaimedJob) -> bytes:
        """Return the body of the request.

        For a change, the body includes the document as it is now and as it was before.
        """
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
        """Return the document before the change, or None if the change log no longer has it."""
        try:
            found = (await self.bundoc.changes(caller, changed.seq - 1, 1, 0)).items
        except ResyncRequired:
            return None
        is_same = found and (found[0].id, found[0].rev, found[0].at) == (changed.id, changed.rev, changed.at)
        return found[0].before if is_same else None  # After a restore, another change may have the same number.


def drop(_data: bytes) -> None:
    """Ignore a part of the answer, because nobody waits for the answer."""


def result_of(status: int) -> AttemptResult:
    if status >= FAILED_STATUS:
        return AttemptResult(RunOutcome.ERROR, f"http_{status}")
    return AttemptResult(RunOutcome.OK)


def outcome_of(problem: Problem) -> RunOutcome:
    match problem:
        case FunctionTimeout() | FunctionCpuExceeded():
            return RunOutcome.TIMEOUT
        case FunctionCrashed():
            return RunOutcome.CRASH
        case _:
            return RunOutcome.ERROR
