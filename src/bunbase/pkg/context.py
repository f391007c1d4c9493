"""What travels with a request through every room and every remote hop: its id and its deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline_in(seconds: float) -> Iterator[None]:
    """Let everything inside know when its answer is no longer of use; an earlier deadline stays in force."""
    until = time.monotonic() + seconds
    current = _deadline.get()
    token = _deadline.set(until if current is None else min(until, current))
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left(default: float) -> float:
    """Give the seconds until the deadline in force, at most `default`; never negative."""
    until = _deadline.get()
    if until is None:
        return default
    return max(0.0, min(default, until - time.monotonic()))
