from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Role
from bunbase.contracts.tenant_auth.problems import InvalidCode, PhoneNotAllowed, PhoneNotConfigured
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.identity.problems import LastSignInMethod
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from tests.fakes import FakeKms
from tests.pkg.waiting import until_true
from tests.rooms import member_caller, opened, site
from tests.tenant_auth.people import AT_BAKERY, BAKERY, as_user
from tests.tenant_auth.phones import OTHER_PHONE, PHONE


@pytest_asyncio.fixture(params=["local", "remote"])
async def tenant_auth(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[TenantAuth]:
    kms = FakeKms(lazy=False)
    await kms.create_keys(BAKERY)
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path, database_url), request.param) as service:
        yield service


async def code_to(room: TenantAuth, phone: str) -> str:
    """Return the code in the mailbox of dev mode."""

    await until_true(lambda: room.dev_mails(phone, BAKERY, 10, ""))
    [mail] = await room.dev_mails(phone, BAKERY, 10, "")
    return mail.text.strip()


async def test_a_user_signs_in_by_phone_and_changes_the_number(tenant_auth: TenantAuth) -> None:
    with pytest.raises(PhoneNotConfigured):
        await tenant_auth.request_phone_code(AT_BAKERY, PHONE, "")
    await tenant_auth.change_project_auth(member_caller(BAKERY, Role.ADMIN), {"phone": {"countries": ["DE"]}}, None)
    with pytest.raises(PhoneNotAllowed):
        await tenant_auth.request_phone_code(AT_BAKERY, "+44 7400 123456", "")
    await tenant_auth.request_phone_code(AT_BAKERY, PHONE, "de")
    code = await code_to(tenant_auth, PHONE)
    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_phone(AT_BAKERY, OTHER_PHONE, code)
    new = await tenant_auth.login_with_phone(AT_BAKERY, PHONE, code)
    caller = await as_user(tenant_auth, AT_BAKERY, new.access_token, time.time)

    await tenant_auth.request_phone_change(caller, OTHER_PHONE, "")
    changed = await tenant_auth.confirm_phone_change(caller, OTHER_PHONE, await code_to(tenant_auth, OTHER_PHONE))

    assert (new.user.phone, changed.phone, changed.id) == (PHONE, OTHER_PHONE, new.user.id)
    with pytest.raises(LastSignInMethod):
        await tenant_auth.remove_phone(caller)
