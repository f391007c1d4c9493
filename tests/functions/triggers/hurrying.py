"""Functions that look for new triggers, due schedules and jobs more often, to keep the tests fast."""

from __future__ import annotations

import pytest


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Look every 50 ms instead of every second."""
    for name in (
        "jobs.FOLLOW_SECONDS",
        "jobs.TICK_SECONDS",
        "triggers.feeds.PAUSE_SECONDS",
        "triggers.runner.POLL_SECONDS",
    ):
        patch.setattr(f"bunbase.functions.{name}", 0.05)
