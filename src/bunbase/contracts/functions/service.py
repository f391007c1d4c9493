"""The contract of Functions: deploy and run TypeScript on Bun."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.deployments import Bundle, Version, Versions
from bunbase.contracts.functions.file_usage import FileUsage
from bunbase.contracts.functions.hooks import HookRuns
from bunbase.contracts.functions.invocations import Chunk, Head, Invocation, Receiving
from bunbase.contracts.functions.logs import LogFilter, LogLine, LogPage
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
from bunbase.contracts.functions.usage import FunctionStats, Usage
from bunbase.contracts.functions.variables import Variable, Variables
from bunbase.contracts.functions.walks import FunctionWalks
from bunbase.pkg.rpc.wire import waits_for_news


class Functions(FileUsage, HookRuns, FunctionWalks, Protocol):
    """Every call takes its project from the Caller."""

    async def deploy(self, caller: Caller, name: str, bundle: Bundle) -> Version:
        """Store a new version and make it the active one. Raises: InvalidBundle, FunctionOverloaded, Forbidden."""
        ...

    async def functions(self, caller: Caller, limit: int, cursor: str | None) -> Versions:
        """Return the active version of each function, by name. Raises: InvalidCursor."""
        ...

    async def function(self, caller: Caller, name: str) -> Version:
        """Return the active version. Raises: FunctionNotFound."""
        ...

    async def delete_function(self, caller: Caller, name: str) -> None: ...

    async def versions(self, caller: Caller, name: str, limit: int, cursor: str | None) -> Versions:
        """Return the versions of a function, newest first. Raises: FunctionNotFound, InvalidCursor."""
        ...

    async def bundle(self, caller: Caller, name: str, version: int) -> Bundle:
        """Return the bundle of a version as it was deployed. Raises: FunctionNotFound, VersionNotFound."""
        ...

    async def rollback(self, caller: Caller, name: str, version: int | None) -> Version:
        """Activate `version`, or the version before the active one. Raises: VersionNotFound."""
        ...

    def invoke(self, caller: Caller, name: str, invocation: Invocation) -> AsyncIterator[Receiving | Head | Chunk]:
        """Run the active version. Yield one Head, then the body in Chunks if the Head has no body. If the request has
        `more`, Receiving comes before the Head.

        A call with the header `idempotency-key` runs the function once; later calls get the first answer. A call with
        this header also raises IdempotencyMismatch, IdempotencyBusy, IdempotencyTooLarge.
        Raises: FunctionNotFound, FunctionError, FunctionTimeout, FunctionCpuExceeded, FunctionCrashed,
        FunctionOverloaded, FunctionsUnavailable, Forbidden, Unauthenticated, TooLarge, RequestStalled; after the Head
        only FunctionError, FunctionTimeout, FunctionCpuExceeded and FunctionCrashed.
        """
        ...

    async def feed(self, caller: Caller, invocation: str, data: bytes, ended: bool) -> int | None:
        """Send the next part of a request's body.

        The part is not larger than the last result of `feed` or `Receiving` allows. `ended`: true if the body ends with
        this part.

        Return the number of bytes that may be sent next. 0 means that the worker is still busy: call again without
        data. None means that the worker does not need the rest. `invoke` raises the problems of the body (TooLarge,
        RequestStalled).
        """
        ...

    async def logs(
        self, caller: Caller, name: str | None, limit: int, cursor: str | None, which: LogFilter | None = None
    ) -> LogPage:
        """Return log lines of one function, or of all functions if `name` is None.

        Raises: FunctionNotFound, InvalidCursor, InvalidInput.
        """
        ...

    @waits_for_news
    def follow_logs(
        self, caller: Caller, name: str | None, after: int | None, which: LogFilter | None = None
    ) -> AsyncIterator[LogLine | None]:
        """Yield log lines after the number `after`, or only new lines if it is None. Yield None while no line
        arrives.
        """
        ...

    async def stats(self, caller: Caller, name: str, hours: int) -> FunctionStats:
        """Return statistics of the last `hours`. Raises: FunctionNotFound."""
        ...

    async def usage(self, caller: Caller, hours: int) -> Usage:
        """Return the usage of the project in the last `hours`."""
        ...

    async def variables(self, caller: Caller, reveal: bool) -> Variables:
        """Return the project's environment variables. `reveal`: return the values of the variables too. Then the caller
        needs the role admin, and a session or a token with the scope `secrets`.

        Raises: Forbidden.
        """
        ...

    async def set_variable(self, caller: Caller, name: str, value: str, exposed: bool | None = None) -> Variable:
        """Encrypt and store a variable; running functions see the new value from their next call on.

        If `exposed` is None, an existing variable keeps its setting, and a new variable is exposed. Raises:
        InvalidInput.
        """
        ...

    async def delete_variable(self, caller: Caller, name: str) -> None:
        """Raises: VariableNotFound."""
        ...

    async def enqueue_once(self, caller: Caller, new: NewJob, idempotency_key: str) -> Enqueued:
        """Enqueue a run of a function, like `enqueue`, but only once for each idempotency key of the caller.

        An empty key is no key.

        Raises: the problems of `enqueue`, and IdempotencyMismatch.
        """
        ...

    async def enqueue(self, caller: Caller, new: NewJob) -> Job:
        """Enqueue a run of a function. If a job with the same `key` exists already, return that job instead.

        The caller needs the secret key or the role developer. Raises: FunctionNotFound, InvalidInput, TooLarge,
        QueueFull, Forbidden.
        """
        ...

    async def jobs(
        self, caller: Caller, state: JobStatus | None, function: str | None, limit: int, cursor: str | None
    ) -> Jobs:
        """Return jobs, newest first. Raises: InvalidCursor."""
        ...

    async def job(self, caller: Caller, id: str) -> Job:
        """Raises: JobNotFound."""
        ...

    async def replay_job(self, caller: Caller, id: str) -> Job:
        """Run a dead letter again, with the full number of attempts. Raises: JobNotFound, JobNotDead."""
        ...

    async def delete_job(self, caller: Caller, id: str) -> None:
        """Raises: JobNotFound, JobRunning."""
        ...

    async def schedules(self, caller: Caller, limit: int, cursor: str | None) -> Schedules:
        """Return the functions that have a schedule, by name. Raises: InvalidCursor."""
        ...

    async def runs(
        self,
        caller: Caller,
        name: str,
        kind: TriggerKind | None,
        outcome: RunOutcome | None,
        limit: int,
        cursor: str | None,
    ) -> Runs:
        """Return runs of a function, newest first. Raises: FunctionNotFound, InvalidCursor."""
        ...

    async def sandbox_layers(self) -> tuple[str, ...]:
        """Return the names of the layers that confine functions here; empty if they run unconfined."""
        ...

    async def pause_project(self, project: str, paused: bool) -> None:
        """Start no more runs of a project's functions; if `paused` is false, allow runs again. Idempotent.

        Schedules and jobs wait while the project is paused.
        """
        ...

    async def drop_project(self, project: str) -> None:
        """Stop the workers and delete the functions of a destroyed project. Idempotent."""
        ...
