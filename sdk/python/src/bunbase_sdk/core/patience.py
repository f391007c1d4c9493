"""The time limit and the pauses of a loop that continues after a lost connection."""

from __future__ import annotations

import time
from typing import Final

from bunbase_sdk.core.flow import Sleep
from bunbase_sdk.core.retry import backoff
from bunbase_sdk.problem import Problem, Unreachable

FIRST_PAUSE_SECONDS: Final = 0.5
PASSING: Final = frozenset({429, 500, 502, 503, 504})  # a server that is busy or restarting answers with these statuses


def passes(problem: Problem) -> bool:
    """True if a loop should continue after this problem."""
    return isinstance(problem, Unreachable) or problem.status in PASSING


class Patience:
    """The loop continues until the caller ends it, or until `stop_after` seconds have passed."""

    def __init__(self, stop_after: float | None) -> None:
        self._end = None if stop_after is None else time.monotonic() + stop_after
        self._failures = 0

    def left(self, most: float) -> float:
        """Return the time to wait, at most until the end of the loop; 0 if the loop's time is over."""
        return most if self._end is None else max(0.0, min(most, self._end - time.monotonic()))

    def worked(self) -> None:
        self._failures = 0

    def pause(self) -> Sleep:
        """Return the pause after a failure: half a second to ten seconds."""
        self._failures += 1
        return self.sleep(backoff(self._failures - 1, FIRST_PAUSE_SECONDS))

    def sleep(self, seconds: float) -> Sleep:
        """Return a pause of these seconds, at most until the end of the loop."""
        return Sleep(self.left(seconds))
