"""The engines that must pass this suite. A new engine is added here, and the tests stay as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import pytest

from bunbase.bundoc.engine import Engine
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms

OpenEngine = Callable[[Path, FakeKms], AbstractAsyncContextManager[Engine]]

ENGINES: Final[dict[str, OpenEngine]] = {"sqlite": sqlite_engine}


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path, kms: FakeKms) -> AsyncIterator[Engine]:
    name: Any = request.param
    async with ENGINES[name](tmp_path / "bundoc", kms) as engine:
        yield engine
