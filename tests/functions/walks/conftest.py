"""Functions with a real Bundoc, whose walks begin at once. All tests of a file share one service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from bunbase.bundoc.module import MODULE as BUNDOC
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.functions.service import FunctionsService
from bunbase.pkg.modules import Rooms, Site
from tests.functions.neighbours import neighbours
from tests.rooms import opened


@pytest.fixture(scope="module", autouse=True)
def hurried() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("jobs.WALK_SECONDS", "jobs.FOLLOW_SECONDS", "walks.walker.PAUSE_SECONDS"):
            patch.setattr(f"bunbase.functions.{name}", 0.05)
        yield


@pytest_asyncio.fixture(scope="module")
async def shared_rooms(shared_site: Site) -> AsyncIterator[Rooms]:
    rooms = neighbours()
    async with opened(BUNDOC, Rooms({Kms: rooms[Kms]}), shared_site) as bundoc:
        rooms.add(Bundoc, bundoc)
        yield rooms


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


@pytest_asyncio.fixture
async def bundoc(shared_rooms: Rooms, shared_functions: FunctionsService) -> AsyncIterator[Bundoc]:
    yield shared_rooms[Bundoc]
    await shared_rooms[Bundoc].drop_project("prj_one")
