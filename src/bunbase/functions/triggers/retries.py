"""Computes how long a job waits before its next attempt."""

from __future__ import annotations

from random import SystemRandom
from typing import Final

MAX_RETRY_SECONDS: Final = 3600.0
MAX_DOUBLINGS: Final = 20
JITTER: Final = 0.25  # The jitter spreads out jobs that failed at the same time.


def retry_seconds(first: float, attempt: int) -> float:
    """Return the wait after an attempt, with jitter.

    The wait is `first` seconds at first, and doubles each time, up to an hour.
    """
    wait: float = min(first * 2 ** min(attempt - 1, MAX_DOUBLINGS), MAX_RETRY_SECONDS)
    return wait * SystemRandom().uniform(1 - JITTER, 1 + JITTER)
