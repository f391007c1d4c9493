from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.bunauth import EmailTaken, InvalidCredentials, InvalidToken
from bunbase.contracts.bunkms import KeyNotFound, Kms
from bunbase.contracts.revocations import RevokedKind
from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.pkg.errors import InvalidInput, Unauthenticated
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from tests.bunauth.feeds import feed_of
from tests.fakes import FakeKms
from tests.rooms import opened, site
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, signed_up


@pytest_asyncio.fixture(params=["local", "remote"])
async def tenant_auth(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[TenantAuth]:
    kms = FakeKms(lazy=False)
    await kms.create_keys(BAKERY)
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path, database_url), request.param) as service:
        yield service


async def test_from_signup_to_logout(tenant_auth: TenantAuth) -> None:
    first = await signed_up(tenant_auth, plan="free")
    second = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    third = await tenant_auth.refresh(AT_BAKERY, second.refresh_token)
    caller = await as_user(tenant_auth, AT_BAKERY, third.access_token, time.time)
    assert caller.user is not None
    assert await tenant_auth.me(caller) == first.user
    assert (await tenant_auth.update_me(caller, {"plan": "pro"})).data == {"plan": "pro"}
    assert await tenant_auth.session_alive(BAKERY, caller.user.session)

    async with feed_of(tenant_auth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY
        await tenant_auth.logout(caller)
        told = await feed.next()

    assert (told.kind, told.id) == (RevokedKind.SESSION, caller.user.session)
    assert not await tenant_auth.session_alive(BAKERY, caller.user.session)


async def test_problems_keep_their_class(tenant_auth: TenantAuth) -> None:
    await signed_up(tenant_auth)

    with pytest.raises(EmailTaken):
        await signed_up(tenant_auth)
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", "wrong horse battery")
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, "urt_unknown")
    with pytest.raises(Unauthenticated):
        await tenant_auth.me(AT_BAKERY)
    with pytest.raises(InvalidInput):
        await signed_up(tenant_auth, AT_BAKERY, "other@example.com", text="x" * (16 << 10))
    with pytest.raises(KeyNotFound):
        await tenant_auth.jwks("prj_unknown")


async def test_a_dropped_project_has_no_users(tenant_auth: TenantAuth) -> None:
    await signed_up(tenant_auth)

    await tenant_auth.drop_project(BAKERY)
    await tenant_auth.drop_project(BAKERY)

    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
