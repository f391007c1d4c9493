"""`bunbase jobs`: jobs that will run a function, jobs whose attempts have all failed, and past runs."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.request_data import read_data
from bunbase.cli.session import Session, open_session
from bunbase.contracts.functions.triggers import Job, Jobs, JobStatus, Run, RunOutcome, Runs

JobId = Annotated[str, Parameter(help="A job's id, from `bunbase jobs list`.")]
Limit = Annotated[int, Parameter(validator=Number(gte=1, lte=500), help="How many to show at most.")]
OfFunction = Annotated[str, Parameter(name="--function", show_default=False, help="Only jobs of this function.")]

app = App(name="jobs", help="List, add, replay and delete jobs, which run functions later.")


@app.command(name="list")
def list_jobs(
    *,
    state: Annotated[
        JobStatus | None, Parameter(help="Only jobs in this state. The attempts of a dead job have all failed.")
    ] = None,
    function: OfFunction = "",
    limit: Limit = 100,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show jobs, newest first. A job that succeeds is deleted; `bunbase jobs runs` still shows its run.

    Example: bunbase jobs list --state dead
    """
    out = Output(flags.json)
    params: dict[str, Any] = {"limit": limit}
    params |= {"state": state.value} if state is not None else {}
    params |= {"function": function} if function else {}
    with open_session(flags) as session:
        jobs = session.ask(Jobs, Call("GET", _path(flags, session), params=params))
    if flags.json:
        out.document(jobs)
        return
    rows = [(j.id, j.function, j.kind, j.state, f"{j.attempt}/{j.attempts}", j.due_at, j.error) for j in jobs.items]
    out.table(("id", "function", "by", "state", "attempt", "due", "error"), rows)
    if jobs.next is not None:
        out.hint(f"There are more: --limit {min(limit * 2, 500)}")
    if not jobs.items:
        chosen = " like these" if state is not None or function else ""
        out.hint(f"There are no jobs{chosen}. Add one: bunbase jobs add <function>")


@app.command
def show(id: JobId, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show a job with its payload.

    Example: bunbase jobs show job_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        job = session.ask(Job, Call("GET", _path(flags, session, id)))
    if flags.json:
        out.document(job)
        return
    facts = [(name, getattr(job, name)) for name in Job.__struct_fields__ if name != "payload"]
    out.facts([*facts, ("payload", msgspec.json.encode(job.payload).decode())])


@app.command
def add(
    function: str,
    /,
    *,
    data: Annotated[
        str,
        Parameter(
            name=("--data", "--payload"),
            help="The JSON that the function receives as the request's body; @FILE reads a file, @- reads stdin.",
        ),
    ] = "null",
    delay_seconds: Annotated[
        float, Parameter(validator=Number(gte=0), help="How long to wait before the first attempt.")
    ] = 0.0,
    key: Annotated[
        str, Parameter(show_default=False, help="While a job with this key exists, no second job is added.")
    ] = "",
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Add a job: the function runs later, until it succeeds or all attempts have failed.

    Example: bunbase jobs add hello --data '{"name": "Ada"}' --delay-seconds 60
    """
    out = Output(flags.json)
    body = {"function": function, "payload": _json(data), "delay_seconds": delay_seconds}
    if key:
        body["key"] = key
    with open_session(flags) as session:
        job = session.ask(Job, Call("POST", _path(flags, session), json=body))
    if flags.json:
        out.document(job)
    out.done(f"{job.id} will run {function}.")


@app.command
def replay(*ids: JobId, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Run dead jobs again; each job gets its full number of attempts.

    Example: bunbase jobs replay job_1
    """
    _act_on_each(ids, flags, "replay")


@app.command
def delete(*ids: JobId, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Delete dead jobs, and jobs that have not started.

    Example: bunbase jobs delete job_1
    """
    _act_on_each(ids, flags, "")


@app.command
def runs(
    function: str,
    /,
    *,
    outcome: Annotated[RunOutcome | None, Parameter(help="Only runs with this outcome.")] = None,
    limit: Limit = 100,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show a function's past runs, newest first: what started each run (schedule, job or document), and how it ended.

    Example: bunbase jobs runs hello --outcome error
    """
    out = Output(flags.json)
    params: dict[str, Any] = {"limit": limit}
    params |= {"outcome": outcome.value} if outcome is not None else {}
    with open_session(flags) as session:
        path = at("projects", needed_project(flags.project, session), "functions", function, "runs")
        found = session.ask(Runs, Call("GET", path, params=params))
    if flags.json:
        out.document(found)
        return
    columns = ("started", "by", "events", "outcome", "error", "attempt", "ms", "version", "invocation")
    out.table(columns, [_row(run) for run in found.items])
    if not found.items:
        out.hint(f"{function} has no such runs: only jobs, schedules and changes of documents make runs.")
    else:
        out.hint(f"To see what a run printed: bunbase logs {function} --invocation <invocation>")


def _row(run: Run) -> tuple[Any, ...]:
    version = f"v{run.version}" if run.version else ""
    return (
        run.started_at,
        run.kind,
        run.events,
        run.outcome,
        run.code,
        run.attempt,
        run.duration_ms,
        version,
        run.invocation,
    )


def _act_on_each(ids: tuple[str, ...], flags: ProjectFlags, verb: str) -> None:
    if not ids:
        raise Usage("Name at least one job by its id; `bunbase jobs list --state dead` lists the dead jobs.")
    out = Output(flags.json)
    with open_session(flags) as session:
        for id in ids:
            if verb:
                job = session.ask(Job, Call("POST", _path(flags, session, id, verb)))
                out.done(f"{job.id} will run again.")
            else:
                session.ask(type(None), Call("DELETE", _path(flags, session, id)))
                out.done(f"{id} is deleted.")
    if flags.json:
        out.document({"ids": ids, "replayed" if verb else "deleted": True})


def _json(data: str) -> Any:
    try:
        return msgspec.json.decode(read_data(data))
    except (msgspec.DecodeError, RecursionError) as error:
        raise Usage(f"--data is not JSON: {error}. Text needs quotes: '\"text\"'.") from None


def _path(flags: ProjectFlags, session: Session, *more: str) -> str:
    return at("projects", needed_project(flags.project, session), "jobs", *more)
