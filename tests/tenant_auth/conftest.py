"""Open tenant-auth for a test with two projects and a manual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.service import TenantAuthService
from tests.fakes import FakeKms
from tests.rooms import opened, site
from tests.tenant_auth.hooking import FakeFunctions
from tests.tenant_auth.people import BAKERY, LIBRARY


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def functions() -> FakeFunctions:
    """The functions of all projects. No project has a hook until a test names one in its settings."""
    return FakeFunctions()


@pytest_asyncio.fixture
async def kms() -> FakeKms:
    kms = FakeKms(lazy=False)
    for project in (BAKERY, LIBRARY):
        await kms.create_keys(project)
    return kms


@pytest_asyncio.fixture
async def tenant_auth(
    tmp_path: Path, database_url: str, clock: ManualClock, kms: FakeKms, functions: FakeFunctions
) -> AsyncIterator[TenantAuthService]:
    async with opened(MODULE, Rooms({Kms: kms, Functions: functions}), site(tmp_path, database_url, clock)) as service:
        yield service
