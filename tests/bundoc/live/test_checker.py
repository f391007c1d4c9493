"""Random histories: at every barrier, every live query holds exactly what its caller may see at that change.

BUNBASE_LIVE_SECONDS draws new histories for so long (`make live`).
"""

from __future__ import annotations

import os
import random
import sys
import time

import pytest

from bunbase.bundoc.live import registry
from bunbase.bundoc.room import BundocRoom
from tests.bundoc.live.checker import Checker
from tests.seeds import seeds

pytestmark = pytest.mark.usefixtures("few_spares")

SECONDS = float(os.environ.get("BUNBASE_LIVE_SECONDS", "0"))


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(6))
async def test_each_barrier_shows_what_the_oracle_shows(room: BundocRoom, seed: int) -> None:
    checker = Checker(room, seed)

    await checker.run(steps=80)

    assert checker.checked > 100


@pytest.mark.skipif(not SECONDS, reason="a long search: make live")
@pytest.mark.timeout(SECONDS + 600)
async def test_no_history_breaks_the_promise_for_as_long_as_wanted(room: BundocRoom) -> None:
    until, histories, checked, resumed, restores = time.monotonic() + SECONDS, 0, 0, 0, 0

    while time.monotonic() < until:
        seed = random.SystemRandom().getrandbits(26)
        sys.stderr.write(f"seed {seed}\n")
        checker = Checker(room, seed)
        await checker.run(steps=300)
        histories, checked, resumed = histories + 1, checked + checker.checked, resumed + checker.resumed
        restores += checker.restores

    done = f"{histories} histories, {checked} results compared at barriers, {resumed} resumes, {restores} restores"
    sys.stderr.write(f"{done}, 0 violations\n")
    assert checked


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(3))
@pytest.mark.parametrize("held", [0, 2000])
async def test_results_whose_bodies_do_not_fit_keep_the_promise_too(
    room: BundocRoom, monkeypatch: pytest.MonkeyPatch, held: int, seed: int
) -> None:
    monkeypatch.setattr(registry, "MAX_HELD_BYTES", held)
    checker = Checker(room, seed)

    await checker.run(steps=80)

    assert checker.checked > 100
