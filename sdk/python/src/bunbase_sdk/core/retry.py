"""Decide whether the client sends a request again, and after how long."""

from __future__ import annotations

import random
from typing import Final

from bunbase_sdk.problem import Problem

FIRST_PAUSE_SECONDS: Final = 0.2
MAX_PAUSE_SECONDS: Final = 10.0
AGAIN: Final = frozenset({429, 502, 503, 504})


def pause_before(attempt: int, problem: Problem) -> float | None:
    """Return the number of seconds to wait before the next try, or None if there is no next try.

    Call this only for requests that may be repeated.

    If the server asks for a wait of more than ten seconds, the problem is raised at once, with `retry_after`.
    """
    # a query that was too slow, or an answer that was not ready in time, would take as long again
    if problem.code in ("query_too_slow", "deadline_exceeded"):
        return None
    # without a time to wait, the server will never have the state that the read asks for
    if problem.code == "not_yet" and problem.retry_after is None:
        return None
    if problem.code not in ("network", "idempotency_busy") and problem.status not in AGAIN:
        return None
    if problem.retry_after is not None:
        return problem.retry_after if problem.retry_after <= MAX_PAUSE_SECONDS else None
    return backoff(attempt, FIRST_PAUSE_SECONDS)


def backoff(attempt: int, first: float) -> float:
    """Return a pause that doubles with each attempt, up to ten seconds, minus a random part of at most half."""
    return min(first * 2.0**attempt, MAX_PAUSE_SECONDS) * random.uniform(0.5, 1)  # noqa: S311 - the number is no secret
