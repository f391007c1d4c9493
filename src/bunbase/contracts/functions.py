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


MAX_BEGINNING_BYTES: Final = 64 << 10  # of a body of which more follows; what is no larger is best sent whole


class Access(StrEnum):
    """Who may call a function over HTTP."""

    PUBLIC = "public"  # anyone who can name the project
    KEY = "key"  # any project key
    USER = "user"  # a signed-in end user
    SECRET = "secret"  # the secret key


class FunctionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a version runs. `cpu_ms`: processor time of a call; `allow_net`: hosts that `fetch` may reach.

    `schedule`: a cron line, in UTC, or a Schedule. `on`: the changes of documents that it is run for.
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

    `more`: `body` is only its beginning, at most MAX_BEGINNING_BYTES; the rest is handed over by `feed`. `length`: of
    all of it, where that is known. `own_host`: it came to a host that is the project's alone (`functions.host`).
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
    """`queued_ms`: waited for a worker; `cold`: a worker was started for this call. `body`: all of the body, if it
    was there with the head; then no Chunk follows.
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
    """`value` is there only when an owner or admin asked to reveal it.

    `exposed`: functions can read it; else it is only filled in where a header of a `fetch` names it.
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
        """Give the active version of each function, by name. Raises: InvalidCursor."""
        ...

    async def function(self, caller: Caller, name: str) -> Version:
        """Give the active version. Raises: FunctionNotFound."""
        ...

    async def delete_function(self, caller: Caller, name: str) -> None: ...

    async def versions(self, caller: Caller, name: str, limit: int, cursor: str | None) -> Versions:
        """Newest first. Raises: FunctionNotFound, InvalidCursor."""
        ...

    async def bundle(self, caller: Caller, name: str, version: int) -> Bundle:
        """Give a version as it was deployed. Raises: FunctionNotFound, VersionNotFound."""
        ...

    async def rollback(self, caller: Caller, name: str, version: int | None) -> Version:
        """Make `version`, or the one before the active, active. Raises: VersionNotFound."""
        ...

    def invoke(self, caller: Caller, name: str, invocation: Invocation) -> AsyncIterator[Receiving | Head | Chunk]:
        """Run the active version: one Head, then the body in Chunks, unless the Head has it. If there is `more` of the
        request, Receiving comes first.

        Raises: FunctionNotFound, FunctionError, FunctionTimeout, FunctionCpuExceeded, FunctionCrashed,
        FunctionOverloaded, FunctionsUnavailable, Forbidden, Unauthenticated, TooLarge, RequestStalled; after the Head
        only FunctionError, FunctionTimeout, FunctionCpuExceeded and FunctionCrashed.
        """
        ...

    async def feed(self, caller: Caller, invocation: str, data: bytes, ended: bool) -> int | None:
        """Hand over more of a request's body, no more than there is room for; `ended`: that was all.

        Gives how many bytes there is room for now, after a while 0: ask again with none. None: nothing more is wanted.
        What is wrong with a body (TooLarge, RequestStalled) is raised by `invoke`.
        """
        ...

    async def logs(
        self, caller: Caller, name: str | None, limit: int, cursor: str | None, which: LogFilter | None = None
    ) -> LogPage:
        """Of one function, or (None) of all the project's. Raises: FunctionNotFound, InvalidCursor, InvalidInput."""
        ...

    def follow_logs(
        self, caller: Caller, name: str | None, after: int | None, which: LogFilter | None = None
    ) -> AsyncIterator[LogLine | None]:
        """Give lines as they come, from just behind `after` (from now on if None); None says that all is quiet."""
        ...

    async def stats(self, caller: Caller, name: str, hours: int) -> FunctionStats:
        """Give how it did in the last `hours`. Raises: FunctionNotFound."""
        ...

    async def usage(self, caller: Caller, hours: int) -> Usage:
        """Give what the project used in the last `hours`."""
        ...

    async def variables(self, caller: Caller, reveal: bool) -> Variables:
        """Return the project's environment; `reveal` needs the role admin, and a session or the scope `secrets`.

        Raises: Forbidden.
        """
        ...

    async def set_variable(self, caller: Caller, name: str, value: str, exposed: bool | None = None) -> Variable:
        """Seal and store a variable; running functions see it with their next call. A variable stays exposed or hidden
        when nothing is said; a new one is exposed. Raises: InvalidInput."""
        ...

    async def delete_variable(self, caller: Caller, name: str) -> None:
        """Raises: VariableNotFound."""
        ...

    async def enqueue(self, caller: Caller, new: NewJob) -> Job:
        """Run a function later; with a `key` that is taken, give the job that has it.

        Needs the secret key or a developer. Raises: FunctionNotFound, InvalidInput, TooLarge, QueueFull, Forbidden.
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
        """Give the functions that run by the clock, by name. Raises: InvalidCursor."""
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
        """Name the layers that confine functions here; empty while they run unconfined."""
        ...

    async def drop_project(self, project: str) -> None:
        """Stop the workers and delete the functions of a destroyed project; again is harmless."""
        ...
