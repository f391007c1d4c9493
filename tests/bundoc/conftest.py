"""Fixtures for tests of Bundoc: an engine on real files, with a KMS in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms


@pytest.fixture
def kms() -> FakeKms:
    return FakeKms()


@pytest.fixture
async def engine(tmp_path: Path, kms: FakeKms) -> AsyncIterator[SqliteEngine]:
    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        yield engine


@pytest.fixture
def service(engine: SqliteEngine) -> BundocService:
    return BundocService(engine)
