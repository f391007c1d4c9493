"""Open BunAuth for a test with a manual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunkms import Kms
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms, Site
from tests.bunauth.shared_keys import sign_with_shared_keys
from tests.fakes import FakeKms
from tests.rooms import opened, site


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(autouse=True)
def shared_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    sign_with_shared_keys(monkeypatch)


@pytest.fixture
def rooms() -> Rooms:
    return Rooms({Kms: FakeKms()})


@pytest.fixture
def here(tmp_path: Path, database_url: str, clock: ManualClock) -> Site:
    return site(tmp_path, database_url, clock)


@pytest_asyncio.fixture
async def bunauth(rooms: Rooms, here: Site) -> AsyncIterator[BunAuthService]:
    async with opened(MODULE, rooms, here) as service:
        yield service
