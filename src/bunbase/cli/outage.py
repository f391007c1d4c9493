"""The time during which the server is unreachable: when it began, how long to wait, and when to give up."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from bunbase.cli.errors import Unreachable

# a command waits for at most this time: a restart takes less, and a script must not wait forever
MAX_SECONDS: Final = 300.0
FIRST_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 10.0


class Outage:
    """One outage after another. `warn`: shows a message. `max_seconds`: if infinite, the command waits forever.

    `clock`: monotonic. On Linux, a monotonic clock stops while the machine sleeps, so closing a laptop does not end a
    command.
    """

    def __init__(
        self,
        url: str,
        warn: Callable[[str], None],
        max_seconds: float = MAX_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self.warn = warn
        self.max_seconds = max_seconds
        self.clock = clock
        self.pause = pause
        self.began: float | None = None  # the time at which the outage began; None while the server answers
        self.pause_seconds = FIRST_PAUSE_SECONDS
        self.told = ""

    def wait(self, reason: str) -> None:
        """Pause before the next attempt, longer each time. The first time, tell the user when the connection was cut.

        Raises: Unreachable if the server has been unreachable for `max_seconds`.
        """
        now = self.clock()
        reason = f"{reason.rstrip('.')}."
        if self.began is None:
            self.began = now
            self.warn(f"The connection was cut at {datetime.now():%H:%M:%S}: {reason} Trying again.")
        elif now - self.began >= self.max_seconds:
            minutes = round(self.max_seconds / 60)
            raise Unreachable(f"{self.url} has been away for {minutes} minutes; this command has ended. {reason}")
        elif reason != self.told:
            self.warn(f"{reason} Trying again.")
        self.told = reason
        self.pause(min(self.pause_seconds, self.began + self.max_seconds - now))
        self.pause_seconds = min(self.pause_seconds * 2, MAX_PAUSE_SECONDS)

    def end(self) -> None:
        """Note that the server answers. After an outage, tell the user how long the outage was. Idempotent."""
        if self.began is not None:
            self.warn(f"Connected again after {self.clock() - self.began:.0f} s.")
            self.began = None

    def note_progress(self) -> None:
        """Note that the server works again, so that the next outage begins with a short pause. Idempotent."""
        self.pause_seconds = FIRST_PAUSE_SECONDS
