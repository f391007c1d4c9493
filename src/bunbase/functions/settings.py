"""The settings of Functions."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bunbase.functions.sandbox.layers import ConfineWith
from bunbase.functions.sandbox.switch import Switch

Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0.05, le=86_400)]


class FunctionsSettings(msgspec.Struct, frozen=True):
    """The limits on running functions, the sandbox, and the times after which data is deleted.

    `host`: a wildcard such as `*.fn.example.com`. Then the functions of a project answer at `<slug>.fn.example.com`,
    and browsers treat each project as another origin. If `host` is empty, all projects share the host of
    `gateway.public_url`, and each answer gets a header that makes browsers sandbox it.
    `sandbox`: `off` runs functions without a sandbox. Use `off` only for trusted code.
    `confine_with`: the layer that confines files; `auto` means Landlock if the kernel has it, and otherwise bubblewrap.
    `max_workers`: the number of workers that may run at the same time.
    `max_workers_per_project`: the number of workers of one project that may run at the same time.
    `max_workers_per_function`: the number of workers of one function that may run at the same time.
    `max_cpus_per_worker`: the number of processors that a worker may use; 0.5 is half a processor. This setting needs
    the layer `cgroups`.
    `prewarmed`: the number of workers that wait for a bundle, in addition to `max_workers`; by default 2 in dev mode,
    otherwise 8.
    `max_waiting`: the number of calls of one function that may wait for a worker.
    `wait_seconds`: the time that a call may wait for a worker.
    `max_waiting_per_project`: the number of calls of one project that may wait for a worker.
    `max_waiting_bytes`: the limit for the bodies of all waiting calls together.
    `idle_seconds`: the time without a call after which a worker ends.
    `max_worker_seconds`: the age at which a worker takes no further calls, and then ends.
    `max_worker_calls`: the number of calls after which a worker ends.
    `drain_seconds`: the time for which running calls may continue when the server stops.
    `request_silence_seconds`: the time after which an upload fails if the client sends nothing although the function
    can take more.
    `max_request_body_bytes`: the limit for the body of a request to a function.
    `max_response_bytes`: the limit for the body of an answer of a function.
    `load_seconds`: the time for which the top level of a bundle may run.
    `max_fetches`: the number of requests of functions that may run at the same time.
    `max_fetches_per_project`: the number of requests of functions of one project that may run at the same time.
    `max_fetch_body_bytes`: the limit for the body that a function sends with `fetch`.
    `max_fetch_answer_bytes`: the limit for the body that a function receives from `fetch`.
    `fetch_connect_seconds`: the time after which a `fetch` fails if its connection is not open.
    `allow_private_networks`: the networks that functions may reach although they are not public, such as `10.1.0.0/16`.
    `ca_file`: a file of certificate authorities (PEM) that functions trust in addition to the public authorities.
    `max_functions_per_project`: the number of functions that a project may have.
    `kept_versions`: the number of newest versions of a function that BunBase keeps. The active version always stays.
    `max_variables_per_project`: the number of variables that a project may have.
    `log_retention_days`: the number of days for which BunBase keeps the log lines of functions.
    `stats_retention_days`: the number of days for which BunBase keeps the numbers of calls, errors and durations.
    `max_log_lines_per_project`: the number of log lines that BunBase keeps for a project; it deletes older lines.
    `max_triggered_runs`: the number of runs of schedules, jobs and changes that one process runs at the same time.
    `max_triggered_runs_per_project`: the number of these runs (schedules, jobs and changes) that one project may have
    at the same time.
    `max_scheduled_runs`: the number of runs of schedules in addition to `max_triggered_runs`, at most one for each
    project. A backlog of jobs or changes therefore does not delay a schedule.
    `max_put_off_seconds`: the time after which a job that could not begin (overload, unreachable data) becomes a dead
    letter.
    `max_jobs_per_project`: the number of jobs of one project that may wait.
    `retry_seconds`: the wait before the second attempt of a job; the wait doubles with each attempt.
    `max_followed_projects`: the number of projects that one process watches for changes at the same time; further
    projects take turns.
    `run_retention_days`: the number of days for which BunBase keeps runs and dead letters.
    `max_runs_per_project`: the number of runs that BunBase keeps for a project; it deletes older runs.
    """

    host: str = ""
    sandbox: Switch = Switch.ON
    confine_with: ConfineWith = ConfineWith.AUTO
    max_workers: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 32
    max_workers_per_project: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 16
    max_cpus_per_worker: Annotated[float, msgspec.Meta(ge=0.05, le=1024)] | None = None
    max_workers_per_function: Annotated[int, msgspec.Meta(ge=1, le=256)] = 4
    prewarmed: Annotated[int, msgspec.Meta(ge=0, le=256)] | None = None
    max_waiting: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 256
    max_waiting_per_project: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1024
    max_waiting_bytes: Annotated[int, msgspec.Meta(ge=1 << 20, le=1 << 40)] = 256 << 20
    wait_seconds: Seconds = 10.0
    idle_seconds: Seconds = 300.0
    max_worker_seconds: Seconds = 3600.0
    max_worker_calls: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000_000
    drain_seconds: Seconds = 5.0
    load_seconds: Seconds = 10.0
    max_request_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 40)] = 10 << 20
    request_silence_seconds: Seconds = 30.0
    max_response_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 40)] = 256 << 20
    max_fetches: Count = 512
    max_fetches_per_project: Count = 128
    max_fetch_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 40)] = 10 << 20
    max_fetch_answer_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 40)] = 10 << 20
    fetch_connect_seconds: Seconds = 10.0
    allow_private_networks: Annotated[tuple[str, ...], msgspec.Meta(max_length=64)] = ()
    ca_file: str = ""
    max_functions_per_project: Count = 500
    kept_versions: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 50
    max_variables_per_project: Count = 100
    log_retention_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 7
    stats_retention_days: Annotated[int, msgspec.Meta(ge=1, le=400)] = 31
    max_log_lines_per_project: Annotated[int, msgspec.Meta(ge=100, le=1_000_000_000)] = 200_000
    max_triggered_runs: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 16
    max_triggered_runs_per_project: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 4
    max_scheduled_runs: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 4
    max_put_off_seconds: Annotated[float, msgspec.Meta(ge=1, le=2_592_000)] = 86_400.0
    max_jobs_per_project: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    retry_seconds: Annotated[float, msgspec.Meta(ge=0.01, le=3600)] = 5.0
    max_followed_projects: Count = 256
    run_retention_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    max_runs_per_project: Annotated[int, msgspec.Meta(ge=100, le=100_000_000)] = 50_000
