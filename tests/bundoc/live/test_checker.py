"""Random histories: at every barrier, every live query holds exactly what its caller may see at that change."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bunbase.bundoc.live.service import LiveService
from bunbase.bundoc.query.search import Budgets
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.pkg.clock import SystemClock
from tests.bundoc.live.checker import Checker
from tests.seeds import seeds


@pytest.fixture
async def live(engine: SqliteEngine) -> AsyncIterator[LiveService]:
    service = LiveService(engine, SystemClock(), Budgets(), dev=True)
    yield service
    await service.close()


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(6))
async def test_each_barrier_shows_what_the_oracle_shows(
    engine: SqliteEngine, service: BundocService, live: LiveService, seed: int
) -> None:
    checker = Checker(service, live, seed)

    await checker.run(steps=80)

    assert checker.checked > 100
    assert checker.resumed > 0
