"""How long to wait before another attempt."""

from __future__ import annotations

from random import SystemRandom
from typing import Final

MAX_RETRY_SECONDS: Final = 3600.0
MAX_DOUBLINGS: Final = 20
JITTER: Final = 0.25  # what failed together must not come back together


def retry_seconds(first: float, attempt: int) -> float:
    """Give the wait after so many attempts: `first`, then twice as long each time, at most an hour, give or take."""
    wait: float = min(first * 2 ** min(attempt - 1, MAX_DOUBLINGS), MAX_RETRY_SECONDS)
    return wait * SystemRandom().uniform(1 - JITTER, 1 + JITTER)
