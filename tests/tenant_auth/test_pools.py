"""A project has so many users and no more, and they are counted right whatever happens at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.bunauth import EmailTaken
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.tenant_auth import NewUser, TooManyUsers, UserSignedIn
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings import TenantAuthSettings
from tests.fakes import FakeKms
from tests.rooms import opened, secret_caller, site
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, LIBRARY, signed_up

MOST = 3
SERVER = secret_caller(BAKERY)


@pytest_asyncio.fixture
async def tenant_auth(
    tmp_path: Path, database_url: str, clock: ManualClock, kms: FakeKms
) -> AsyncIterator[TenantAuthService]:
    settings = TenantAuthSettings(max_users_per_project=MOST)
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path, database_url, clock), settings=settings) as service:
        yield service


async def counted(room: TenantAuthService, project: str = BAKERY) -> tuple[int, int]:
    """Return how many users the pool says it has, and how many there are."""
    pool = await room.stores.db.value("SELECT users FROM pools WHERE project = $1", project)
    users = await room.stores.db.value("SELECT count(*) FROM users WHERE project = $1", project)
    return pool or 0, users


async def test_a_project_has_so_many_users_and_no_more(tenant_auth: TenantAuthService) -> None:
    """Security 5: sign-ups are not without end; the limit of one project is none of another's business."""
    answers = await asyncio.gather(
        *(signed_up(tenant_auth, AT_BAKERY, f"baker{number}@example.com") for number in range(8)),
        return_exceptions=True,
    )

    assert Counter(type(answer) for answer in answers) == {UserSignedIn: MOST, TooManyUsers: 8 - MOST}
    with pytest.raises(TooManyUsers, match="max_users_per_project"):
        await tenant_auth.create_user(SERVER, NewUser("late@example.com"))
    assert await signed_up(tenant_auth, AT_LIBRARY)
    assert await counted(tenant_auth) == (MOST, MOST)


async def test_a_refused_sign_up_takes_no_place_and_a_deleted_user_gives_it_back(
    tenant_auth: TenantAuthService,
) -> None:
    eve = await signed_up(tenant_auth)
    for _ in range(MOST):
        with pytest.raises(EmailTaken):
            await signed_up(tenant_auth)
        with pytest.raises(EmailTaken):
            await tenant_auth.create_user(SERVER, NewUser("eve@example.com"))
    assert await counted(tenant_auth) == (1, 1)

    await tenant_auth.delete_user(SERVER, eve.user.id)

    assert await counted(tenant_auth) == (0, 0)


async def test_sign_ups_and_deletions_at_once_wait_for_each_other_in_one_order(tenant_auth: TenantAuthService) -> None:
    """Neither waits in a circle, and the count is right in the end."""
    for _ in range(2):
        users = [await signed_up(tenant_auth, AT_BAKERY, f"baker{number}@example.com") for number in range(MOST)]

        outcomes = await asyncio.gather(
            *(tenant_auth.delete_user(SERVER, one.user.id) for one in users),
            *(signed_up(tenant_auth, AT_BAKERY, f"baker{number}@example.com") for number in range(MOST)),
            return_exceptions=True,
        )

        assert {type(outcome) for outcome in outcomes} <= {type(None), UserSignedIn, EmailTaken, TooManyUsers}
        pool, there = await counted(tenant_auth)
        assert pool == there
        await tenant_auth.drop_project(BAKERY)


async def test_a_dropped_project_leaves_no_count(tenant_auth: TenantAuthService) -> None:
    await signed_up(tenant_auth)
    await signed_up(tenant_auth, AT_LIBRARY)

    await tenant_auth.drop_project(BAKERY)

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM pools WHERE project = $1", BAKERY) == 0
    assert await counted(tenant_auth, LIBRARY) == (1, 1)
