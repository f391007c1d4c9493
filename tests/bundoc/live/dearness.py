"""Let random queries take too much time for a round."""

from __future__ import annotations

import random

import pytest

from bunbase.bundoc.live.rounds import Job, Late, RoundTime

SHARE = 0.3


def let_queries_be_dear(patch: pytest.MonkeyPatch) -> None:
    """Make one of three queries too expensive for a round, for one of the two possible reasons."""
    draw, lack = random.Random(1), RoundTime.lack

    def lacking(self: RoundTime, job: Job) -> Late | None:
        return draw.choice(list(Late)) if draw.random() < SHARE else lack(self, job)

    patch.setattr(RoundTime, "lack", lacking)
