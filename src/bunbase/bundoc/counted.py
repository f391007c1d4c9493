"""Count every operation under its outcome, at next to no cost when it succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import TracebackType

from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem


class Counted:
    """`ok`, the Problem's code, `cancelled` when the caller left, or `failed`.

    Holds no state of a call, so one serves all.
    """

    def __init__(self, op: str) -> None:
        self.op = op
        self.ok = metrics.bundoc_ops.labels(op, "ok")

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.ok.inc()
        else:
            metrics.bundoc_ops.labels(self.op, _outcome(error)).inc()


def _outcome(error: BaseException) -> str:
    match error:
        case Problem():
            return error.code
        case asyncio.CancelledError():
            return "cancelled"
        case _:
            return "failed"


@cache
def counted(op: str) -> Counted:
    return Counted(op)


@contextmanager
def fetched() -> Iterator[None]:
    """Count a question for a data key that BunKMS is asked inside."""
    outcome = "failed"
    try:
        yield
        outcome = "ok"
    except Problem as problem:
        outcome = problem.code
        raise
    finally:
        metrics.bundoc_kms_fetches.labels(outcome).inc()
