"""Functions opened for a test, with a real Bun and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.functions.module import MODULE
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.modules import Rooms, Site
from tests.functions.neighbours import neighbours
from tests.rooms import opened, site


@pytest.fixture
def rooms() -> Rooms:
    return neighbours()


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Site:
    return site(tmp_path, database_url)


@pytest.fixture
def settings() -> FunctionsSettings:
    """The default settings. A test file that needs other settings overrides this fixture."""
    return FunctionsSettings()


@pytest_asyncio.fixture
async def functions(rooms: Rooms, here: Site, settings: FunctionsSettings) -> AsyncIterator[FunctionsService]:
    async with opened(MODULE, rooms, here, settings=settings) as service:
        yield service
