"""The contract of Functions: deploy and run TypeScript on Bun."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.deployments import Bundle, Version, Versions
from bunbase.contracts.functions.invocations import Chunk, Head, Invocation, Receiving
from bunbase.contracts.functions.logs import LogFilter, LogLine, LogPage
from bunbase.contracts.functions.triggers import (
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


class Functions(Protocol):
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
        """Newest first. Raises: FunctionNotFound, InvalidCursor."""
        ...

    async def bundle(self, caller: Caller, name: str, version: int) -> Bundle:
        """Return the bundle of a version as it was deployed. Raises: FunctionNotFound, VersionNotFound."""
        ...

    async def rollback(self, caller: Caller, name: str, version: int | None) -> Version:
        """Activate `version`, or the version before the active one. Raises: VersionNotFound."""
        ...

    def invoke(self, caller: Caller, name: str, invocation: Invocation) -> AsyncIterator[Receiving | Head | Chunk]:
        """Run the active version: yield one Head, then the body in Chunks, unless the Head has it. If there is `more`
        of the request, Receiving comes first.

        Raises: FunctionNotFound, FunctionError, FunctionTimeout, FunctionCpuExceeded, FunctionCrashed,
        FunctionOverloaded, FunctionsUnavailable, Forbidden, Unauthenticated, TooLarge, RequestStalled; after the Head
        only FunctionError, FunctionTimeout, FunctionCpuExceeded and FunctionCrashed.
        """
        ...

    async def feed(self, caller: Caller, invocation: str, data: bytes, ended: bool) -> int | None:
        """Send more of a request's body, at most as much as there is room for; `ended`: this is the end of the body.

        Returns how many bytes there is room for; 0 after a while: call again without data. None: the rest is not
        needed. `invoke` raises the problems of a body (TooLarge, RequestStalled).
        """
        ...

    async def logs(
        self, caller: Caller, name: str | None, limit: int, cursor: str | None, which: LogFilter | None = None
    ) -> LogPage:
        """Return log lines of one function, or of all functions (None).

        Raises: FunctionNotFound, InvalidCursor, InvalidInput.
        """
        ...

    def follow_logs(
        self, caller: Caller, name: str | None, after: int | None, which: LogFilter | None = None
    ) -> AsyncIterator[LogLine | None]:
        """Yield new lines after `after` (from now on if None), and None while there are none."""
        ...

    async def stats(self, caller: Caller, name: str, hours: int) -> FunctionStats:
        """Return statistics of the last `hours`. Raises: FunctionNotFound."""
        ...

    async def usage(self, caller: Caller, hours: int) -> Usage:
        """Return the usage of the project in the last `hours`."""
        ...

    async def variables(self, caller: Caller, reveal: bool) -> Variables:
        """Return the project's environment; `reveal` needs the role admin, and a session or the scope `secrets`.

        Raises: Forbidden.
        """
        ...

    async def set_variable(self, caller: Caller, name: str, value: str, exposed: bool | None = None) -> Variable:
        """Seal and store a variable; running functions see it with their next call.

        Without `exposed`, a variable stays exposed or hidden and a new one is exposed. Raises: InvalidInput.
        """
        ...

    async def delete_variable(self, caller: Caller, name: str) -> None:
        """Raises: VariableNotFound."""
        ...

    async def enqueue(self, caller: Caller, new: NewJob) -> Job:
        """Enqueue a run of a function; if a job with this `key` exists, return that job.

        The caller needs the secret key, or is a developer. Raises: FunctionNotFound, InvalidInput, TooLarge, QueueFull,
        Forbidden.
        """
        ...

    async def jobs(
        self, caller: Caller, state: JobStatus | None, function: str | None, limit: int, cursor: str | None
    ) -> Jobs:
        """Newest first. Raises: InvalidCursor."""
        ...

    async def job(self, caller: Caller, id: str) -> Job:
        """Raises: JobNotFound."""
        ...

    async def replay_job(self, caller: Caller, id: str) -> Job:
        """Run a dead letter again, with all its attempts. Raises: JobNotFound, JobNotDead."""
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
        """Newest first. Raises: FunctionNotFound, InvalidCursor."""
        ...

    async def sandbox_layers(self) -> tuple[str, ...]:
        """Return the names of the layers that confine functions here; empty if they run unconfined."""
        ...

    async def drop_project(self, project: str) -> None:
        """Stop the workers and delete the functions of a destroyed project. Idempotent."""
        ...
