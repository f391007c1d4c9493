"""Jobs, schedules and runs: `/api/projects/{project}/…` for developers, `/v1/jobs` for the project's own servers."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.functions.triggers import Job, Jobs, JobStatus, NewJob, RunOutcome, Runs, Schedules, TriggerKind
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit

TAGS = ["Triggers"]
MAX_NAME: Final = 64

InState = Annotated[JobStatus | None, QueryParameter(name="state")]  # a handler's `state` is Litestar's own
OfFunction = Annotated[str | None, QueryParameter(max_length=MAX_NAME)]


@get("/api/projects/{project:str}/functions/{name:str}/runs", summary="List a function's runs by triggers", tags=TAGS)
async def list_runs(
    member: Injected[Caller],
    functions: Injected[Functions],
    name: FromPath[str],
    kind: FromQuery[TriggerKind | None] = None,
    outcome: FromQuery[RunOutcome | None] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Runs:
    """Each attempt of each job is a run, with its outcome. Newest first."""
    return await functions.runs(member, name, kind, outcome, limit, cursor)


@get("/api/projects/{project:str}/schedules", summary="List schedules", tags=TAGS)
async def list_schedules(
    member: Injected[Caller], functions: Injected[Functions], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Schedules:
    """Sorted by function, each with the time of its next run."""
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
    """Newest first, without payloads. `?state=dead` lists the dead letters. Jobs that succeeded are deleted."""
    return await functions.jobs(member, in_state, function, limit, cursor)


@post("/api/projects/{project:str}/jobs", summary="Enqueue a job", tags=TAGS, status_code=201)
async def add_job(member: Injected[Caller], functions: Injected[Functions], data: NewJob) -> Job:
    """If a job with this `key` waits or runs already, that job is returned and none is added."""
    return await functions.enqueue(member, data)


@get("/api/projects/{project:str}/jobs/{job_id:str}", summary="Get a job", tags=TAGS)
async def get_job(member: Injected[Caller], functions: Injected[Functions], job_id: FromPath[str]) -> Job:
    return await functions.job(member, job_id)


@post(
    "/api/projects/{project:str}/jobs/{job_id:str}/replay", summary="Replay a dead letter", tags=TAGS, status_code=200
)
async def replay_job(member: Injected[Caller], functions: Injected[Functions], job_id: FromPath[str]) -> Job:
    """The job runs again with all its attempts, after the jobs that have been added since."""
    return await functions.replay_job(member, job_id)


@delete("/api/projects/{project:str}/jobs/{job_id:str}", summary="Delete a job", tags=TAGS)
async def delete_job(member: Injected[Caller], functions: Injected[Functions], job_id: FromPath[str]) -> None:
    """Only a job that is not running can be deleted."""
    await functions.delete_job(member, job_id)


@post("/v1/jobs", summary="Enqueue a job with the secret key", tags=TAGS, status_code=201)
async def enqueue(keyed: Injected[Caller], functions: Injected[Functions], data: NewJob) -> Job:
    """Run a function later, as in `{"function": "mail", "payload": {}, "delay_seconds": 60}`."""
    return await functions.enqueue(keyed, data)


ROUTES = (list_runs, list_schedules, list_jobs, add_job, get_job, replay_job, delete_job, enqueue)
