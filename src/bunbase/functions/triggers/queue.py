"""Adds jobs: jobs from `ctx.enqueue` in functions, jobs from callers over HTTP, and jobs for changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.contracts.functions.triggers import ChainTooLong, Job, JobStatus, NewJob, QueueFull, TriggerKind
from bunbase.functions.store.jobs import ChangeJob, JobRow, JobStore, StoredJob
from bunbase.functions.versions.names import could_be_function
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput, TooLarge
from bunbase.pkg.ids import new_id
from bunbase.pkg.moments import EXAMPLE, read_moment

MAX_PAYLOAD_BYTES: Final = 256 << 10
MAX_DELAY: Final = timedelta(days=366)
MAX_DEPTH: Final = 8
# A job with a longer delay begins a new chain. Such a slow chain does no harm, and a daily job may enqueue itself.
NEW_CHAIN: Final = timedelta(seconds=60)
RETRY_AFTER_SECONDS: Final = 5
CHANGE_ATTEMPTS: Final = 5  # The job of a change has this many attempts.


class PreparedJob(msgspec.Struct, frozen=True):
    """A job to add, and its description for the caller."""

    row: JobRow
    job: Job


class Queue:
    """Adds jobs. The queue calls `on_added()` when there may be a new job to run."""

    def __init__(self, store: JobStore, clock: Clock, max_jobs: int, on_added: Callable[[], None]) -> None:
        self.store = store
        self.clock = clock
        self.max_jobs = max_jobs
        self.on_added = on_added

    async def enqueue(self, project: str, new: NewJob, depth: int = 0, kind: TriggerKind = TriggerKind.JOB) -> Job:
        """Add a job, or return the existing job with the same key.

        `depth`: the number of runs that led to the new job, where each run was caused by the run before.
        Raises: InvalidInput, TooLarge, ChainTooLong, QueueFull, FunctionNotFound.
        """
        return await self.add(project, self.prepared(new, depth, kind))

    def prepared(self, new: NewJob, depth: int = 0, kind: TriggerKind = TriggerKind.JOB) -> PreparedJob:
        """Return a new job for `add`. Raises: InvalidInput, TooLarge, ChainTooLong, FunctionNotFound."""
        now = self.clock.now()
        row = self._row(new, depth, now, kind)
        job = Job(row.id, new.function, row.kind, JobStatus.WAITING, now, row.due_at, 0, new.attempts, new.key)
        return PreparedJob(row, job)

    async def add(self, project: str, new: PreparedJob) -> Job:
        """Add a job, or return the existing job with the same key. Raises: QueueFull, FunctionNotFound."""
        row, job = new.row, new.job
        await self.check_room(project)
        for _ in range(2):  # try twice, because the job with the key may end between the two statements
            if await self.store.add(project, row, job.created_at):
                self.on_added()
                return job
            if job.key is None:
                break
            if (found := await self.store.by_key(project, job.function, job.key)) is not None:
                return shown(found)
        raise FunctionNotFound(f"The project has no function {job.function}; deploy it first.")

    async def enqueue_hook(self, project: str, function: str, event: bytes, key: str) -> Job:
        """Add a job for a hook, or return the existing job with the same key.

        `event`: the result of `requests.hook_event`.

        Raises: TooLarge, QueueFull, FunctionNotFound.
        """
        new = NewJob(function, msgspec.Raw(event), key=key)
        return await self.enqueue(project, new, kind=TriggerKind.HOOK)

    async def add_changes(self, project: str, function: str, changes: Sequence[ChangeJob]) -> None:
        """Add the jobs of changes, as part of the caller's transaction.

        After its commit, the caller must call `on_added`.
        """
        await self.store.add_changes(project, function, changes, self.clock.now(), CHANGE_ATTEMPTS)

    async def bury_changes(self, project: str, function: str, changes: Sequence[ChangeJob]) -> None:
        """Add changes as dead letters, as part of the caller's transaction.

        Changes above the project's limit are dropped, because one run can cause thousands of changes.
        """
        room = self.max_jobs - await self.store.dead(project, self.max_jobs)
        buried = changes[:room]
        await self.store.add_dead(project, function, buried, self.clock.now(), CHANGE_ATTEMPTS, ChainTooLong.code)

    async def check_room(self, project: str) -> None:
        """Check that the project may have one more job. Raises: QueueFull."""
        if await self.store.waiting(project, self.max_jobs) >= self.max_jobs:
            raise QueueFull(
                f"{self.max_jobs} jobs of the project are waiting, which is the limit. Try again later.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )

    def _row(self, new: NewJob, depth: int, now: datetime, kind: TriggerKind) -> JobRow:
        if not could_be_function(new.function):
            raise FunctionNotFound("No function can have this name.")
        if new.key is not None and not new.key.isprintable():  # PostgreSQL accepts no NUL in a text.
            raise InvalidInput.at("/key", "A key may have only printable characters.")
        payload = msgspec.json.encode(new.payload)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise TooLarge(f"A payload may have at most {MAX_PAYLOAD_BYTES >> 10} KiB. Store more data in a document.")
        due_at = _due_at(new, now)
        depth = depth if due_at - now < NEW_CHAIN else 0
        if depth > MAX_DEPTH:
            raise ChainTooLong(
                f"{MAX_DEPTH} runs in a row have each caused the next one. End the chain, or delay one of its jobs by "
                "a minute; see docs/functions.md#circles."
            )
        return JobRow(new_id("job"), new.function, kind, payload, new.key, depth, due_at, new.attempts)


def shown(stored: StoredJob) -> Job:
    """Return the job as the API shows it."""
    known: dict[str, Any] = {name: getattr(stored, name) for name in Job.__struct_fields__}
    if stored.payload is not None:
        known["payload"] = msgspec.json.decode(stored.payload)
    return Job(**known)


def _due_at(new: NewJob, now: datetime) -> datetime:
    if new.run_at is None:
        if new.delay_seconds > MAX_DELAY.total_seconds():
            raise InvalidInput.at("/delay_seconds", f"A job may wait at most {MAX_DELAY.days} days.")
        return now + timedelta(seconds=new.delay_seconds)
    if new.delay_seconds:
        raise InvalidInput.at("/run_at", "Send `delay_seconds` or `run_at`, not both.")
    try:
        run_at = read_moment(new.run_at)
    except ValueError:
        raise InvalidInput.at("/run_at", f"Send a time in RFC 3339 with a time zone, for example {EXAMPLE}.") from None
    if run_at - now > MAX_DELAY:
        raise InvalidInput.at("/run_at", f"A job may wait at most {MAX_DELAY.days} days.")
    return max(run_at, now)
