"""One service for all tests of a file. Each test has its own account and clients."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.accounts import Proof
from bunbase.contracts.bunauth.openid import (
    OAuthClient,
)
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.ids import new_id
from bunbase.pkg.modules import Rooms
from tests.bunauth.openid import (
    Visitor,
    new_client,
)
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.conftest import new_database
from tests.fakes import FakeKms
from tests.rooms import opened, site


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bunauth(
    postgres: str, filled: str, tmp_path_factory: pytest.TempPathFactory, clock: ManualClock
) -> AsyncIterator[BunAuthService]:
    """Yield one service for all tests of a file."""
    async with new_database(postgres, filled) as url:
        here = site(tmp_path_factory.mktemp("bunauth"), url, clock)
        async with opened(MODULE, Rooms({Kms: FakeKms()}), here) as service:
            yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def administrator(bunauth: BunAuthService) -> Caller:
    return await caller_with(bunauth, (await registered(bunauth)).access_token)


@pytest_asyncio.fixture(loop_scope="module")
async def admin(bunauth: BunAuthService, administrator: Caller) -> Caller:
    """Return the administrator, who has just reauthenticated."""
    await bunauth.reauthenticate(administrator, Proof(PASSWORD))
    return administrator


@pytest.fixture
def email() -> str:
    return f"{new_id()}@example.com"


@pytest_asyncio.fixture(loop_scope="module")
async def own(bunauth: BunAuthService, administrator: Caller, email: str) -> Caller:
    """Return the person who uses the browser, in a separate session."""
    return await caller_with(bunauth, (await registered(bunauth, email)).access_token)


@pytest_asyncio.fixture(loop_scope="module")
async def shop(bunauth: BunAuthService, admin: Caller) -> OAuthClient:
    return await new_client(bunauth, admin)


@pytest.fixture
def visitor(bunauth: BunAuthService, own: Caller, email: str) -> Visitor:
    return Visitor(bunauth, email)
