"""Decide which projects may send text messages now. A hook may be slow, and one process sends few messages at once.

Each message that is being sent takes one place. When half of the places are taken, each project gets at most one place.
All slow projects together get at most half of the places. So a project with a fast hook always finds a place soon,
even if many projects are slow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

PLACES: Final = 16
TOGETHER: Final = 2  # the limit of messages of one project that are sent at the same time
SLOW_SECONDS: Final = 3.0  # a hook that takes longer counts as slow
SLOW_FOR: Final = timedelta(minutes=2)
MAX_SLOW: Final = 1000


class SendingTurns:
    """Counts the messages of projects. `slow`: for each project, the last time when its hook was slow."""

    def __init__(self) -> None:
        self.slow: dict[str, datetime] = {}

    def note(self, project: str, began: datetime, now: datetime) -> None:
        """Note how long the hook of a project has taken."""
        self.slow.pop(project, None)
        if (now - began).total_seconds() > SLOW_SECONDS and len(self.slow) < MAX_SLOW:
            self.slow[project] = now

    def waiting(self, sending: Collection[str], now: datetime) -> list[str]:
        """Return the projects that must wait. `sending`: the projects of the messages that are being sent."""
        self.slow = {project: since for project, since in self.slow.items() if now < since + SLOW_FOR}
        busy = Counter(sending)
        most = 1 if len(sending) >= PLACES // 2 else TOGETHER
        full = {project for project, number in busy.items() if number >= most}
        if sum(number for project, number in busy.items() if project in self.slow) >= PLACES // 2:
            full |= set(self.slow)
        return sorted(full)
