"""Triggers of functions: schedules, jobs, changes of documents. Also the record of each run."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from bunbase.pkg.errors import Problem

MAX_ATTEMPTS: Final = 20
MAX_DATA_TRIGGERS: Final = 16  # the maximum number of triggers of one function
MAX_BATCH: Final = 100  # one call gets at most this number of changes
CollectionName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class JobNotFound(Problem):
    status, code, title = 404, "job_not_found", "There is no such job"


class JobNotDead(Problem):
    """Only a job that has used all of its attempts can be replayed."""

    status, code, title = 409, "job_not_dead", "This job is not a dead letter"


class JobRunning(Problem):
    status, code, title = 409, "job_running", "This job is running"


class QueueFull(Problem):
    status, code, title = 429, "queue_full", "Too many jobs of this project are waiting"


class ChainTooLong(Problem):
    status, code, title = 409, "chain_too_long", "Functions run each other in an endless chain"


class TriggerKind(StrEnum):
    CRON = "cron"  # a schedule is due
    JOB = "job"  # somebody enqueued a job
    CHANGE = "change"  # a document was created, updated or deleted
    HOOK = "hook"  # BunBase called a hook: see contracts/functions/hooks.py


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a function runs. `cron`: a cron expression with five fields.

    `time_zone`: a name from the IANA database. `overlap`: true if a run starts even if the previous run has not ended.
    """

    cron: Annotated[str, msgspec.Meta(max_length=200)]
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] = "UTC"
    overlap: bool = False


class ChangeOp(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class DataTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The changes of documents that run a function. `where`: a filter for the document; not allowed with deletions."""

    collection: CollectionName
    ops: Annotated[tuple[ChangeOp, ...], msgspec.Meta(min_length=1, max_length=3)] = tuple(ChangeOp)
    where: dict[str, Any] | None = None

    def __hash__(self) -> int:
        return hash((self.collection, self.ops))  # `where` is left out, because Python cannot hash a dict


class JobStatus(StrEnum):
    WAITING = "waiting"  # the job is not due yet, or no worker is free
    BLOCKED = "blocked"  # the job waits for the job of an earlier change of the same document
    RUNNING = "running"
    DEAD = "dead"  # all attempts failed


# a string that `pkg.moments` parses, since a datetime field of msgspec accepts more than RFC 3339
SentTime = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class NewJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`payload`: any JSON value. The job is due at `run_at`, or `delay_seconds` from now, or at once.

    `key`: a name for the job; while a job of this function with the same key waits or runs, no second job is added.
    `attempts`: the number of failed runs after which the job is a dead letter.
    """

    function: str
    payload: Any = None
    delay_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    run_at: SentTime | None = None
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    attempts: Annotated[int, msgspec.Meta(ge=1, le=MAX_ATTEMPTS)] = 5


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """`attempt`: the number of runs so far.

    `error`: the code of the last error. `payload`: the payload; lists do not contain it.
    """

    id: str
    function: str
    kind: TriggerKind
    state: JobStatus
    created_at: datetime
    due_at: datetime
    attempt: int
    attempts: int
    key: str | None = None
    error: str | None = None
    payload: Any = None


class Enqueued(msgspec.Struct, frozen=True):
    """`replayed`: true if an earlier request with the same idempotency key has added the job."""

    job: Job
    replayed: bool = False


class Jobs(msgspec.Struct, frozen=True):
    items: tuple[Job, ...]
    next: str | None = None


class ScheduleState(msgspec.Struct, frozen=True):
    """`next_at`: the time of the next run; null for a short time after a deployment."""

    function: str
    cron: str
    time_zone: str
    overlap: bool
    next_at: datetime | None


class Schedules(msgspec.Struct, frozen=True):
    items: tuple[ScheduleState, ...]
    next: str | None = None


class RunOutcome(StrEnum):
    OK = "ok"
    ERROR = "error"  # the function threw an error, or answered with a status of 400 or above
    TIMEOUT = "timeout"
    CRASH = "crash"
    LOST = "lost"  # the server died during the run; the run is repeated
    SKIPPED = "skipped"  # the previous run had not ended
    RESYNC = "resync"  # changes were deleted before the trigger read them; the trigger continues with the newest change


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run of a function. `code`: the error code. `job`: the job that caused the run; None if no job did.

    If the run never started, `version` is 0 and `invocation` is empty. `events`: the number of changes in a batch; left
    out for a single change. `job` is then the job of the first change.
    """

    id: str
    function: str
    version: int
    kind: TriggerKind
    job: str | None
    attempt: int
    started_at: datetime
    duration_ms: float
    outcome: RunOutcome
    code: str | None
    invocation: str
    events: int = 1


class Runs(msgspec.Struct, frozen=True):
    items: tuple[Run, ...]
    next: str | None = None
