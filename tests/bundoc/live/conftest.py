"""Fixtures for tests of live queries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bunbase.bundoc import jobs
from bunbase.bundoc.live import asked, window
from bunbase.bundoc.live.service import LiveService
from bunbase.bundoc.query.budgets import BOUND, UNBOUND
from bunbase.bundoc.room import BundocRoom
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.pkg.clock import SystemClock
from tests.bundoc.backups.backed_up import whole_bundoc
from tests.bundoc.live.dearness import let_queries_be_dear
from tests.bundoc.live.following import Following
from tests.fakes import FakeKms


@pytest.fixture
async def live(engine: SqliteEngine) -> AsyncIterator[LiveService]:
    service = LiveService(engine, SystemClock(), BOUND, UNBOUND, dev=True)
    yield service
    await service.close()


@pytest.fixture
async def following(live: LiveService) -> AsyncIterator[Following]:
    following = Following(live)
    yield following
    await following.edge.stop()


@pytest.fixture
async def room(tmp_path: Path, kms: FakeKms, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BundocRoom]:
    """A complete Bundoc, whose expired documents are deleted only when a test asks for it."""
    monkeypatch.setattr(jobs, "TEND_SECONDS", 3600.0)
    async with whole_bundoc(tmp_path, kms) as bundoc:
        yield bundoc


@pytest.fixture
def few_spares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep only two spare rows in windows (results with a limit), so that they must often be filled again."""
    monkeypatch.setattr(asked, "SPARES", 2)
    monkeypatch.setattr(window, "SPARES", 2)


@pytest.fixture
def dear_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    let_queries_be_dear(monkeypatch)
