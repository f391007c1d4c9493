"""The id and the deadline of the current request. Every call to a room in another process sends both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline_in(seconds: float) -> Iterator[None]:
    """Set the deadline for all code inside the block. An earlier deadline of an outer block still applies."""
    until = time.monotonic() + seconds
    current = _deadline.get()
    token = _deadline.set(until if current is None else min(until, current))
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left(default: float) -> float:
    """Return the seconds until the current deadline: at most `default`, and at least zero."""
    until = _deadline.get()
    if until is None:
        return default
    return max(0.0, min(default, until - time.monotonic()))
