"""Functions: deploy and run TypeScript on Bun."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.function_logs import LogFilter, LogLine, LogPage
from bunbase.contracts.function_usage import FunctionStats, Usage
from bunbase.contracts.triggers import (
    MAX_DATA_TRIGGERS,
    DataTrigger,
    Job,
    Jobs,
    JobStatus,
    NewJob,
    RunOutcome,
    Runs,
    Schedule,
    Schedules,
    TriggerKind,
)
from bunbase.pkg.errors import Problem


class FunctionNotFound(Problem):
    status, code, title = 404, "function_not_found", "There is no such function"


class VersionNotFound(Problem):
    status, code, title = 404, "version_not_found", "This function has no such version"


class VariableNotFound(Problem):
    status, code, title = 404, "variable_not_found", "There is no such environment variable"


class InvalidBundle(Problem):
    status, code, title = 422, "invalid_bundle", "This bundle cannot be deployed"


class FunctionError(Problem):
    """Details are in the function's log, never in the answer."""

    status, code, title = 500, "function_error", "The function failed"


class FunctionCrashed(Problem):
    status, code, title = 502, "function_crashed", "The function's worker died"


class UpgradeNotSupported(Problem):
    status, code, title = 501, "upgrade_not_supported", "Functions do not speak WebSocket"


class FunctionOverloaded(Problem):
    status, code, title = 503, "function_overloaded", "Too many calls of this function are waiting"


class FunctionTimeout(Problem):
    status, code, title = 504, "function_timeout", "The function did not answer in time"


class FunctionCpuExceeded(Problem):
    status, code, title = 504, "function_cpu_exceeded", "The function used up its processor time"


class FunctionsUnavailable(Problem):
    status, code, title = 503, "functions_unavailable", "Functions cannot run on this installation"


MAX_BEGINNING_BYTES: Final = 64 << 10  # of a body whose rest follows; a smaller body is best sent whole


class Access(StrEnum):
    """The callers that a function accepts over HTTP."""

    PUBLIC = "public"  # everybody who can name the project
    KEY = "key"  # any project key
    USER = "user"  # a signed-in end user
    SECRET = "secret"  # the secret key


class FunctionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a version. `cpu_ms`: processor time of a call; `allow_net`: hosts that `fetch` may reach.

    `schedule`: a cron line, in UTC, or a Schedule. `on`: the changes of documents that run it.
    """

    access: Access = Access.KEY
    timeout_ms: Annotated[int, msgspec.Meta(ge=100, le=300_000)] = 30_000
    cpu_ms: Annotated[int, msgspec.Meta(ge=100, le=300_000)] = 10_000
    memory_mb: Annotated[int, msgspec.Meta(ge=64, le=1024)] = 256
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    allow_net: Annotated[tuple[str, ...], msgspec.Meta(max_length=64)] = ()
    schedule: str | Schedule | None = None
    on: Annotated[tuple[DataTrigger, ...], msgspec.Meta(max_length=MAX_DATA_TRIGGERS)] = ()


class Bundle(msgspec.Struct, frozen=True):
    """`code`: one CommonJS file as `bun build --target=bun --format=cjs` writes it."""

    code: bytes
    source_map: bytes | None
    config: FunctionConfig


class Version(msgspec.Struct, frozen=True):
    """`sha256`: hex digest of the bundle; `size`: its bytes; `active`: new calls run it."""

    name: str
    version: int
    sha256: str
    size: int
    config: FunctionConfig
    active: bool
    created_at: datetime
    created_by: str


class Versions(msgspec.Struct, frozen=True):
    items: tuple[Version, ...]
    next: str | None = None


class Invocation(msgspec.Struct, frozen=True):
    """`path`: from the function's own root, query included: `/a/b?c=d`. `headers`: lower-case names, repeats kept.

    `more`: `body` is only its beginning, at most MAX_BEGINNING_BYTES; the rest comes by `feed`. `length`: of
    all of it, where that is known. `own_host`: the request came to the project's own host (`functions.host`).
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    more: bool = False
    length: int | None = None
    own_host: bool = False


class Receiving(msgspec.Struct, frozen=True, tag="receiving"):
    """A worker has the call: `room` bytes of the rest of its body may be fed, under the name of the `invocation`."""

    invocation: str
    room: int


class Head(msgspec.Struct, frozen=True, tag="head"):
    """`queued_ms`: time that the call waited for a worker; `cold`: a worker was started for this call.

    `body`: all of the body, if it was there with the head; then no Chunk follows.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    version: int
    invocation: str
    queued_ms: float
    cold: bool
    body: bytes | None = None


class Chunk(msgspec.Struct, frozen=True, tag="chunk"):
    data: bytes


class Variable(msgspec.Struct, frozen=True, omit_defaults=True):
    """`value` is present only if an owner or admin asked to reveal it.

    `exposed`: functions can read it; otherwise it is only inserted into headers of a `fetch` that name it.
    """

    name: str
    updated_at: datetime
    value: str | None = None
    exposed: bool = True


class Variables(msgspec.Struct, frozen=True):
    items: tuple[Variable, ...]
    next: str | None = None


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
