"""Count every operation under its outcome, at next to no cost when it succeeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import TracebackType

from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem


class Counted:
    """`ok`, the Problem's code, or `failed`. Holds no state of a call, so one serves all."""

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
            metrics.bundoc_ops.labels(self.op, error.code if isinstance(error, Problem) else "failed").inc()


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
