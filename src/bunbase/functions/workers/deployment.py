"""A deployment, the requests for its workers, and the log lines that its workers write.

A worker serves only one deployment in its life.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.caller import EndUser
from bunbase.contracts.functions.deployments import FunctionConfig
from bunbase.contracts.functions.logs import LogLevel
from bunbase.contracts.functions.triggers import TriggerKind


class Deployment(msgspec.Struct, frozen=True):
    """One version of one function, with one state of its project's variables. Equal deployments share workers.

    `environment`: the revision of the variables.
    """

    project: str
    name: str
    version: int
    sha256: str
    config: FunctionConfig
    environment: int


# A worker that waits for a bundle has this deployment.
NOTHING_YET: Final = Deployment("", "", 0, "", FunctionConfig(), 0)


class Trigger(msgspec.Struct, frozen=True):
    """The cause of a run without a request from outside. `depth`: the number of triggered runs that led to this run.

    `job`: empty for a hook whose caller waits for the answer.
    """

    kind: TriggerKind
    job: str
    attempt: int
    due_at: datetime
    depth: int = 0


class Request(msgspec.Struct, frozen=True):
    """A call as the function sees it. `user`: the signed-in end user. `trigger`: the cause of the run, or None for a
    request from outside. `more`: true if `body` is only the first part of the body.

    `hook`: the hook that answers instead of the handler; empty for all other calls.
    """

    invocation: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    user: EndUser | None
    body: bytes
    trigger: Trigger | None = None
    more: bool = False
    hook: str = ""

    @property
    def depth(self) -> int:
        """The number of triggered runs that led to this call, including this call; 0 for a request from outside."""
        return 0 if self.trigger is None else self.trigger.depth + 1


class LogRecord(msgspec.Struct, frozen=True):
    """A line for the log of a function. `invocation`: empty if the line belongs to no call."""

    deployment: Deployment
    invocation: str
    level: LogLevel
    text: str
    truncated: bool = False


WriteLog = Callable[[LogRecord], None]
