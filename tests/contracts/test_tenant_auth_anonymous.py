from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Role
from bunbase.contracts.tenant_auth.problems import AnonymousUsersOff
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from tests.fakes import FakeKms
from tests.rooms import member_caller, opened, site
from tests.tenant_auth.people import AT_BAKERY, BAKERY, as_user, signed_up


@pytest_asyncio.fixture(params=["local", "remote"])
async def tenant_auth(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[TenantAuth]:
    kms = FakeKms(lazy=False)
    await kms.create_keys(BAKERY)
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path, database_url), request.param) as service:
        yield service


async def test_an_anonymous_user_signs_up_and_keeps_the_id(tenant_auth: TenantAuth) -> None:
    with pytest.raises(AnonymousUsersOff):
        await tenant_auth.sign_in_anonymously(AT_BAKERY, {})
    await tenant_auth.change_project_auth(member_caller(BAKERY, Role.ADMIN), {"anonymous": {"enabled": True}}, None)
    visitor = await tenant_auth.sign_in_anonymously(AT_BAKERY, {"theme": "dark"})
    caller = await as_user(tenant_auth, AT_BAKERY, visitor.access_token, time.time)

    eve = await signed_up(tenant_auth, caller)

    assert (visitor.user.anonymous, eve.user.anonymous) == (True, False)
    assert (eve.user.id, eve.user.data) == (visitor.user.id, {"theme": "dark"})
