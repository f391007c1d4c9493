"""Open Platform for a test with fakes of the rooms that it calls and with a manual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Site
from bunbase.platform.module import MODULE
from bunbase.platform.service import PlatformService
from tests.platform.fake_rooms import FakeRooms
from tests.rooms import opened, site


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def others() -> FakeRooms:
    return FakeRooms()


@pytest.fixture
def here(tmp_path: Path, database_url: str, clock: ManualClock) -> Site:
    return site(tmp_path, database_url, clock)


@pytest_asyncio.fixture
async def platform(others: FakeRooms, here: Site) -> AsyncIterator[PlatformService]:
    async with opened(MODULE, others.rooms(), here) as service:
        yield service
