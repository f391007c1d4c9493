"""Random histories: at every barrier, every live query holds exactly what its caller may see at that change.

BUNBASE_LIVE_SECONDS is the time in which to draw new histories (`make live`). BUNBASE_LIVE_SEED is the seed of the
first history; with BUNBASE_LIVE_SAME, all histories have this seed.
"""

from __future__ import annotations

import pytest

from bunbase.bundoc.live import registry
from bunbase.bundoc.room import BundocRoom
from tests.bundoc.live.checker import Checker
from tests.bundoc.live.searches import SECONDS, search
from tests.seeds import seeds

pytestmark = pytest.mark.usefixtures("few_spares")


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(6))
async def test_each_barrier_shows_what_the_oracle_shows(room: BundocRoom, seed: int) -> None:
    checker = Checker(room, seed)

    await checker.run(steps=80)

    assert checker.checked > 100


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(4))
@pytest.mark.usefixtures("dear_queries")
async def test_late_results_keep_the_promise_too(room: BundocRoom, seed: int) -> None:
    checker = Checker(room, seed)

    await checker.run(steps=80)

    assert checker.checked > 100
    assert checker.late > 5


@pytest.mark.skipif(not SECONDS, reason="a long search: make live")
@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.usefixtures("dear_queries")
async def test_no_history_with_late_results_breaks_the_promise_for_as_long_as_wanted(room: BundocRoom) -> None:
    with search("Bundoc, late", SECONDS) as found:
        for seed in found.seeds():
            checker = Checker(room, seed, found.histories)
            await checker.run(steps=300)
            found.count(checker)

    assert found.results


@pytest.mark.skipif(not SECONDS, reason="a long search: make live")
@pytest.mark.timeout(SECONDS + 600)
async def test_no_history_breaks_the_promise_for_as_long_as_wanted(room: BundocRoom) -> None:
    with search("Bundoc", SECONDS) as found:
        for seed in found.seeds():
            checker = Checker(room, seed, found.histories)
            await checker.run(steps=300)
            found.count(checker)

    assert found.results


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
