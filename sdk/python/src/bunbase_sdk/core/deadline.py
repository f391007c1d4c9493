"""The time limit of one call, with all its requests and pauses."""

from __future__ import annotations

import time
from typing import Final

from bunbase_sdk.problem import Problem, Unreachable, invalid_value

MAX_SECONDS: Final = 86_400


class Deadline:
    """The time counts from the creation of this object."""

    def __init__(self, seconds: float) -> None:
        if not isinstance(seconds, int | float) or not 0 < seconds <= MAX_SECONDS:
            raise invalid_value("timeout", f"It is a number of seconds above 0, at most {MAX_SECONDS:,}.")
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left. Raises: Unreachable, if no time is left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.over()
        return left

    def over(self) -> Problem:
        return Unreachable("timeout", f"No answer within {self.seconds:g} s. Try again, or set a longer timeout.")
