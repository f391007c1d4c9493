"""Jobs, schedules and runs: `/api/projects/{project}/…` for developers, `/v1/jobs` for the project's own servers."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, post
from litestar.params import FromQuery, QueryParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.service import Functions
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
from bunbase.functions.routes.path_parameters import FunctionName, JobId
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, IdempotencyKey, Injected, Limit
from bunbase.pkg.idempotency import REPLAYED, sent_key
from bunbase.pkg.openapi import SECRET_KEY

TAGS = ["Triggers"]
MAX_NAME: Final = 64

AnyRequest = Request[Any, Any, Any]

# An argument cannot have the name `state`, because Litestar reserves this name.
InState = Annotated[JobStatus | None, QueryParameter(name="state")]
OfFunction = Annotated[str | None, QueryParameter(max_length=MAX_NAME)]


@get("/api/projects/{project:str}/functions/{name:str}/runs", summary="List a function's runs by triggers", tags=TAGS)
async def list_runs(
    member: Injected[Caller],
    functions: Injected[Functions],
    name: FunctionName,
    kind: FromQuery[TriggerKind | None] = None,
    outcome: FromQuery[RunOutcome | None] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Runs:
    """Returns runs, newest first. A run is one attempt of a job."""
    return await functions.runs(member, name, kind, outcome, limit, cursor)


@get("/api/projects/{project:str}/schedules", summary="List schedules", tags=TAGS)
async def list_schedules(
    member: Injected[Caller], functions: Injected[Functions], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Schedules:
    """Returns schedules, sorted by function. Each schedule has the time of its next run."""
    return await functions.schedules(member, limit, cursor)


@get("/api/projects/{project:str}/jobs", summary="List jobs", tags=TAGS)
async def list_jobs(
    member: Injected[Caller],
    functions: Injected[Functions],
    in_state: InState = None,
    function: OfFunction = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Jobs:
    """Returns jobs without their payloads, newest first. `?state=dead` returns the dead letters. BunBase deletes a
    job when it has succeeded.
    """
    return await functions.jobs(member, in_state, function, limit, cursor)


@post("/api/projects/{project:str}/jobs", summary="Enqueue a job", tags=TAGS, status_code=201)
async def add_job(
    member: Injected[Caller],
    functions: Injected[Functions],
    request: AnyRequest,
    data: NewJob,
    idempotency_key: IdempotencyKey = None,
) -> Response[Job]:
    """Adds a job. If a job of the function with the same `key` is already waiting or running, returns that job."""
    return _added(await functions.enqueue_once(member, data, sent_key(request.headers)))


@get("/api/projects/{project:str}/jobs/{job_id:str}", summary="Get a job", tags=TAGS)
async def get_job(member: Injected[Caller], functions: Injected[Functions], job_id: JobId) -> Job:
    return await functions.job(member, job_id)


@post(
    "/api/projects/{project:str}/jobs/{job_id:str}/replay", summary="Replay a dead letter", tags=TAGS, status_code=200
)
async def replay_job(member: Injected[Caller], functions: Injected[Functions], job_id: JobId) -> Job:
    """Runs the job again, with all its attempts, after all jobs that are waiting now."""
    return await functions.replay_job(member, job_id)


@delete("/api/projects/{project:str}/jobs/{job_id:str}", summary="Delete a job", tags=TAGS)
async def delete_job(member: Injected[Caller], functions: Injected[Functions], job_id: JobId) -> None:
    """Deletes a job. You cannot delete a running job."""
    await functions.delete_job(member, job_id)


@post("/v1/jobs", summary="Enqueue a job with the secret key", tags=TAGS, status_code=201, security=SECRET_KEY)
async def enqueue_job(
    keyed: Injected[Caller],
    functions: Injected[Functions],
    request: AnyRequest,
    data: NewJob,
    idempotency_key: IdempotencyKey = None,
) -> Response[Job]:
    """Adds a job that runs a function later, for example
    `{"function": "mail", "payload": {}, "delay_seconds": 60}`."""
    return _added(await functions.enqueue_once(keyed, data, sent_key(request.headers)))


def _added(done: Enqueued) -> Response[Job]:
    return Response(done.job, headers={REPLAYED: "true"} if done.replayed else {})


ROUTES = (list_runs, list_schedules, list_jobs, add_job, get_job, replay_job, delete_job, enqueue_job)
