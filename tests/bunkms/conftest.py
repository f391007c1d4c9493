"""Open BunKMS for a test with a new master key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.bunkms.module import MODULE
from bunbase.bunkms.service import KmsService
from bunbase.pkg.modules import Rooms, Site
from tests.rooms import opened, site

BAKERY, LIBRARY = "prj_bakery", "prj_library"


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Site:
    return site(tmp_path, database_url)


@pytest_asyncio.fixture
async def kms(here: Site) -> AsyncIterator[KmsService]:
    async with opened(MODULE, Rooms(), here) as service:
        for owner in (BAKERY, LIBRARY):
            await service.create_keys(owner)
        yield service
