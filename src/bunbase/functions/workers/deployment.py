"""A deployment, which a worker serves for its whole life; the requests it gets and the log lines it writes."""

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
    """One version of one function with one state of its project's variables; equal ones may share workers.

    `environment`: the revision of the variables.
    """

    project: str
    name: str
    version: int
    sha256: str
    config: FunctionConfig
    environment: int


NOTHING_YET: Final = Deployment("", "", 0, "", FunctionConfig(), 0)  # of a worker that waits for a bundle


class Trigger(msgspec.Struct, frozen=True):
    """Why a function runs without a request from outside. `depth`: how many runs in a row led to this one."""

    kind: TriggerKind
    job: str
    attempt: int
    due_at: datetime
    depth: int = 0


class Request(msgspec.Struct, frozen=True):
    """A call as the function will see it. `user`: the signed-in end user; `trigger`: None for one from outside.

    `more`: `body` is only its beginning.
    """

    invocation: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    user: EndUser | None
    body: bytes
    trigger: Trigger | None = None
    more: bool = False

    @property
    def depth(self) -> int:
        """How many triggered runs in a row led to what this call does."""
        return 0 if self.trigger is None else self.trigger.depth + 1


class Said(msgspec.Struct, frozen=True):
    """A line for the log. `invocation` is empty for what a worker says outside any call."""

    deployment: Deployment
    invocation: str
    level: LogLevel
    text: str
    truncated: bool = False


Say = Callable[[Said], None]
