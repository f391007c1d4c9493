"""The settings of Functions."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bunbase.functions.sandbox.layers import ConfineWith
from bunbase.functions.sandbox.switch import Switch

Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0.05, le=86_400)]


class FunctionsSettings(msgspec.Struct, frozen=True):
    """Limits on running functions, the sandbox, and how long data is kept.

    `host`: a wildcard such as `*.fn.example.com`. Then the functions of a project answer at `<slug>.fn.example.com`,
    and browsers treat each project as another origin. If `host` is empty, all projects share the host of
    `gateway.public_url`, and each answer gets a header that makes browsers sandbox it.
    `sandbox`: "off" runs functions without a sandbox; only for trusted code.
    `confine_with`: the layer that confines files, "landlock" or "bubblewrap"; "auto" is Landlock if the kernel has it.
    `max_cpus_per_worker`: processors that a worker may use; 0.5 is half a processor. Needs the layer `cgroups`.
    `prewarmed`: workers that wait for a bundle, in addition to `max_workers`; by default 2 in dev mode, otherwise 8.
    `max_waiting`: how many calls of one function may wait for a worker, each for `wait_seconds` at most.
    `max_waiting_per_project`: how many calls of one project may wait. `max_waiting_bytes`: bodies of all waiting calls.
    `idle_seconds`, `max_worker_seconds`, `max_worker_calls`: a worker that reaches one of these limits ends after its
    calls.
    `drain_seconds`: how long running calls may go on when the server stops.
    `request_silence_seconds`: an upload fails if the client sends nothing for so long while the function has room.
    `load_seconds`: how long the top level of a bundle may run.
    `max_fetches`: how many requests of functions may run at the same time. `max_fetches_per_project`: for one project.
    `allow_private_networks`: networks that functions may reach although they are not public, such as `10.1.0.0/16`.
    `ca_file`: certificate authorities (PEM) that functions trust in addition to the public ones.
    `max_triggered_runs`: how many runs of schedules, jobs and changes one process runs at the same time.
    `max_triggered_runs_per_project`: the same limit for one project.
    `max_scheduled_runs`: how many runs of schedules may run in addition to these, at most one of each project. So a
    backlog of jobs or changes does not delay a schedule.
    `max_put_off_seconds`: a job that could not begin for so long (overload, unreachable data) becomes a dead letter.
    `max_jobs_per_project`: how many jobs may wait.
    `retry_seconds`: the wait before the second attempt of a job; it doubles with each attempt.
    `max_followed_projects`: how many projects one process watches for changes at the same time; more take turns.
    `run_retention_days`: how long runs and dead letters are kept.
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
