"""Settings of Functions."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bunbase.functions.sandbox.layers import ConfineWith
from bunbase.functions.sandbox.switch import Switch

Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0.05, le=86_400)]


class FunctionsSettings(msgspec.Struct, frozen=True):
    """How much may run at once, what confines it, and what is kept.

    `host`: a wildcard such as `*.fn.example.com`; each project's functions then answer at `<slug>.fn.example.com`, an
    origin of their own. Empty: projects share the host of `gateway.public_url`, and every answer is sandboxed.
    `sandbox`: "off" runs functions unconfined, for trusted code only.
    `confine_with`: what confines files, "landlock" or "bubblewrap"; "auto" takes the second where there is no Landlock.
    `max_cpus_per_worker`: how much processor a worker has at most, 0.5 for half of one; needs the layer cgroups.
    `prewarmed`: workers that wait for a bundle, on top of `max_workers`; by default 2 in dev mode, else 8.
    `max_waiting`: calls of one function that may wait for a worker, each `wait_seconds` at most;
    `max_waiting_per_project`, `max_waiting_bytes`: of a project, and the bodies of all.
    `idle_seconds`, `max_worker_seconds`, `max_worker_calls`: then a worker ends, after its calls.
    `drain_seconds`: how long calls may go on when the server stops.
    `request_silence_seconds`: how long the client of an upload may send nothing while the function would take more.
    `load_seconds`: how long the top level of a bundle may run.
    `max_fetches`: requests of functions to the network under way at once, `max_fetches_per_project` of them for one.
    `allow_private_networks`: networks that functions may reach though they are not public (`10.1.0.0/16`).
    `ca_file`: authorities (PEM) that functions trust besides the public ones.
    `max_triggered_runs`: runs of schedules, jobs and changes under way in one process, so many of them for one project.
    `max_put_off_seconds`: a job that cannot begin for so long (overload, data out of reach) is given up.
    `max_jobs_per_project`: that wait; `retry_seconds`: before the second attempt, twice as long before the next.
    `max_followed_projects`: whose changes one process waits for at once; of more it asks in turns.
    `run_retention_days`: runs and dead letters are kept so long.
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
    max_put_off_seconds: Annotated[float, msgspec.Meta(ge=1, le=2_592_000)] = 86_400.0
    max_jobs_per_project: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    retry_seconds: Annotated[float, msgspec.Meta(ge=0.01, le=3600)] = 5.0
    max_followed_projects: Count = 256
    run_retention_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    max_runs_per_project: Annotated[int, msgspec.Meta(ge=100, le=100_000_000)] = 50_000
