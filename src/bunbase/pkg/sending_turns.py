"""The turns of projects whose own functions send messages. A function may be slow, and one process has few places.

When half of the places are taken, each project gets at most one place. All slow projects together get at most half of
the places. So a project with a fast function always finds a place soon, even if many projects are slow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

SLOW_SECONDS: Final = 3.0  # A function that takes longer is slow.
SLOW_FOR: Final = timedelta(minutes=2)
MAX_SLOW: Final = 1000


class SendingTurns:
    """Decides which projects may send their next message. `places`: the number of messages that are sent at once.

    `together`: the limit of places of one project.

    `slow`: for each project, the time at which its function was last slow.
    """

    def __init__(self, places: int, together: int) -> None:
        self.places = places
        self.together = together
        self.slow: dict[str, datetime] = {}

    def note(self, project: str, began: datetime, now: datetime) -> None:
        """Record how long the function of a project has taken."""
        self.slow.pop(project, None)
        if (now - began).total_seconds() > SLOW_SECONDS and len(self.slow) < MAX_SLOW:
            self.slow[project] = now

    def waiting(self, sending: Collection[str], now: datetime) -> list[str]:
        """Return the projects that must wait. `sending`: the projects of the messages that are being sent."""
        self.slow = {project: since for project, since in self.slow.items() if now < since + SLOW_FOR}
        busy, half = Counter(sending), self.places // 2
        most = 1 if len(sending) >= half else self.together
        full = {project for project, number in busy.items() if number >= most}
        if sum(number for project, number in busy.items() if project in self.slow) >= half:
            full |= set(self.slow)
        return sorted(full)
