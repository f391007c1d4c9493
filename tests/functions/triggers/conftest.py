"""Functions with a real Bundoc, and jobs that are retried at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bunbase.bundoc.module import MODULE as BUNDOC
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.storage import Storage
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.modules import Rooms, Site
from tests.bundoc.backups.backed_up import NoFiles
from tests.functions.neighbours import neighbours
from tests.functions.triggers.hurrying import hurry
from tests.rooms import opened


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(retry_seconds=0.01)


@pytest_asyncio.fixture
async def rooms(here: Site) -> AsyncIterator[Rooms]:
    rooms = neighbours()
    async with opened(BUNDOC, Rooms({Kms: rooms[Kms], Storage: NoFiles()}), here) as bundoc:
        rooms.add(Bundoc, bundoc)
        yield rooms
