"""The limit of users per project holds even for simultaneous requests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.bunauth.problems import EmailTaken
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.tenant_auth.problems import TooManyUsers
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings import TenantAuthSettings
from tests.fakes import FakeKms
from tests.rooms import opened, secret_caller, site
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, signed_up

MOST = 3
SERVER = secret_caller(BAKERY)


@pytest_asyncio.fixture
async def tenant_auth(
    tmp_path: Path, database_url: str, clock: ManualClock, kms: FakeKms
) -> AsyncIterator[TenantAuthService]:
    settings = TenantAuthSettings(max_users_per_project=MOST)
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path, database_url, clock), settings=settings) as service:
        yield service


async def counted(room: TenantAuthService, project: str = BAKERY) -> int:
    return await room.stores.users.count(project)


async def test_simultaneous_sign_ups_cannot_exceed_the_limit_of_users(tenant_auth: TenantAuthService) -> None:
    """Each project has its own count of users."""
    answers = await asyncio.gather(
        *(signed_up(tenant_auth, AT_BAKERY, f"baker{number}@example.com") for number in range(8)),
        return_exceptions=True,
    )

    assert Counter(type(answer) for answer in answers) == {UserSignedIn: MOST, TooManyUsers: 8 - MOST}
    with pytest.raises(TooManyUsers, match="max_users_per_project"):
        await tenant_auth.create_user(SERVER, NewUser("late@example.com"))
    assert await signed_up(tenant_auth, AT_LIBRARY)
    assert await counted(tenant_auth) == MOST


async def test_refused_sign_ups_and_deleted_users_do_not_count_for_the_limit(
    tenant_auth: TenantAuthService,
) -> None:
    eve = await signed_up(tenant_auth)
    for _ in range(MOST):
        with pytest.raises(EmailTaken):
            await signed_up(tenant_auth)
        with pytest.raises(EmailTaken):
            await tenant_auth.create_user(SERVER, NewUser("eve@example.com"))
    assert await counted(tenant_auth) == 1
    await signed_up(tenant_auth, AT_BAKERY, "bob@example.com")
    await signed_up(tenant_auth, AT_BAKERY, "ann@example.com")

    with pytest.raises(TooManyUsers):
        await signed_up(tenant_auth, AT_BAKERY, "late@example.com")
    await tenant_auth.delete_user(SERVER, eve.user.id)

    assert await signed_up(tenant_auth, AT_BAKERY, "late@example.com")


async def test_two_thousand_sign_ups_count_the_users_fewer_than_fifteen_times() -> None:
    users, asked = 0, 0

    async def count(_project: str) -> int:
        nonlocal asked
        asked += 1
        return users

    places = Places(1000, count)
    for _ in range(1000):
        async with places.reserve(BAKERY):
            users += 1
    for _ in range(1000):
        with pytest.raises(TooManyUsers):
            async with places.reserve(BAKERY):
                users += 1

    assert users == 1000
    assert asked < 15
    assert not places.taken
    assert not places.counting
