"""The limits of calls that wait for a worker: per function, per project, and for the bytes of all their bodies."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

from bunbase.contracts.functions.problems import FunctionOverloaded
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.call import Call
from bunbase.functions.workers.deployment import Request

RETRY_AFTER_SECONDS: Final = 1


@dataclass(frozen=True, eq=False)
class Waiter:
    """A request in the queue. `started`: the call, after a worker has begun it.

    `since`: the start of the wait, in seconds of time.monotonic.
    """

    request: Request
    started: asyncio.Future[Call]
    since: float


class WaitingRoom:
    """Counts the waiting requests. A request counts until its future is done, cancelled or failed."""

    def __init__(self, settings: FunctionsSettings) -> None:
        self.settings = settings
        self.calls = 0
        self.bytes = 0
        self.by_project: Counter[str] = Counter()

    def enter(self, project: str, queued: int, request: Request) -> Waiter:
        """Return a waiter for the request. Raises: FunctionOverloaded.

        `queued`: the number of calls that already wait for the same deployment.
        """
        limits, size = self.settings, len(request.body)
        if queued >= limits.max_waiting:
            raise overloaded(f"{queued} calls of this function are waiting already")
        if self.by_project[project] >= limits.max_waiting_per_project:
            raise overloaded(f"{limits.max_waiting_per_project} calls of this project are waiting already")
        if self.bytes + size > limits.max_waiting_bytes:
            raise overloaded("the bodies of waiting calls use all the memory reserved for them")
        waiter = Waiter(request, asyncio.get_running_loop().create_future(), time.monotonic())
        self._count(project, 1, size)
        waiter.started.add_done_callback(lambda _: self._count(project, -1, -size))
        return waiter

    def _count(self, project: str, calls: int, bytes: int) -> None:
        self.calls += calls
        self.bytes += bytes
        self.by_project[project] += calls
        if not self.by_project[project]:
            del self.by_project[project]


def overloaded(why: str) -> FunctionOverloaded:
    return FunctionOverloaded(f"Try again soon: {why}.", retry_after_seconds=RETRY_AFTER_SECONDS)
