"""Let queries take too much time for a round, at random."""

from __future__ import annotations

import random

import pytest

from bunbase.bundoc.live.rounds import Job, Late, RoundTime

SHARE = 0.3


def let_queries_be_dear(patch: pytest.MonkeyPatch) -> None:
    """Let there be no time in a round for one query of three, for one of both reasons."""
    draw, lack = random.Random(1), RoundTime.lack

    def lacking(self: RoundTime, job: Job) -> Late | None:
        return draw.choice(list(Late)) if draw.random() < SHARE else lack(self, job)

    patch.setattr(RoundTime, "lack", lacking)
