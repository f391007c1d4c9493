"""The mail flows of end users, called within one process and over RPC."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Role
from bunbase.contracts.tenant_auth.problems import InvalidCode, UserNotFound
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.clock import SystemClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from tests.fakes import FakeKms
from tests.pkg.waiting import until_true
from tests.rooms import member_caller, opened, secret_caller, site
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, signed_up, without_password

EVE = "eve@example.com"
NEW = "another horse battery"


@pytest_asyncio.fixture(params=[False, True], ids=["local", "remote"])
async def tenant_auth(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[TenantAuth]:
    kms = FakeKms(lazy=False)
    await kms.create_keys(BAKERY)
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path, database_url), request.param) as service:
        yield service


async def token_of(room: TenantAuth, to: str, page: str) -> str:
    """Return the token in the newest mail to an address that links to this page."""

    async def linked() -> list[str]:
        mails = await room.dev_mails(to, BAKERY, 50, "")
        urls = [urlsplit(word) for mail in mails for word in mail.text.split() if word.startswith("http")]
        return [parse_qs(url.query)["token"][0] for url in urls if url.path.endswith(f"/{page}")]

    await until_true(linked)
    return (await linked())[0]


async def test_a_password_is_reset_by_mail_and_changed(tenant_auth: TenantAuth) -> None:
    await signed_up(tenant_auth)
    with pytest.raises(InvalidInput):
        await tenant_auth.request_user_password_reset(AT_BAKERY, EVE, "https://evil.example/")
    await tenant_auth.request_user_password_reset(AT_BAKERY, EVE, "")
    token = await token_of(tenant_auth, EVE, "reset-password")

    assert await tenant_auth.reset_user_password(AT_BAKERY, token, NEW) == ""
    with pytest.raises(LinkExpired):
        await tenant_auth.reset_user_password(AT_BAKERY, token, NEW)
    signed_in = await tenant_auth.login(AT_BAKERY, EVE, NEW)
    caller = await as_user(tenant_auth, AT_BAKERY, signed_in.access_token, time.time)
    await tenant_auth.change_user_password(caller, PASSWORD, None)

    assert (await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)).user.email_verified


async def test_an_address_changes_with_the_consent_of_both_and_a_user_deletes_the_account(
    tenant_auth: TenantAuth,
) -> None:
    eve = await without_password(tenant_auth, EVE, SystemClock(), email_verified=True)
    await tenant_auth.request_user_email_change(eve, "new@example.com")
    states = [
        (await tenant_auth.confirm_user_email_change(AT_BAKERY, await token_of(tenant_auth, to, "change-email"))).status
        for to in (EVE, "new@example.com")
    ]
    await tenant_auth.delete_me(eve)

    assert states == ["pending", "changed"]
    with pytest.raises(UserNotFound):
        await tenant_auth.user(secret_caller(BAKERY), eve.end_user().uid)


async def test_a_code_and_a_link_of_a_mail_sign_in(tenant_auth: TenantAuth) -> None:
    admin = member_caller(BAKERY, Role.ADMIN)
    await tenant_auth.change_project_auth(admin, {"redirect_urls": ["https://bakery.example/"]}, None)
    await tenant_auth.request_user_code(AT_BAKERY, EVE)
    await until_true(lambda: tenant_auth.dev_mails(EVE, BAKERY, 1, ""))
    [mail] = await tenant_auth.dev_mails(EVE, BAKERY, 1, "")
    [code] = re.findall(r"\b\d{6}\b", mail.text)

    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_code(AT_BAKERY, EVE, "12345")
    new = await tenant_auth.login_with_code(AT_BAKERY, EVE, code)
    await tenant_auth.request_user_link(AT_BAKERY, EVE, "https://bakery.example/in")
    token = await token_of(tenant_auth, EVE, "sign-in-link")
    assert (await tenant_auth.user_link_target(AT_BAKERY, token)) == f"https://bakery.example/in?token={token}"

    assert (await tenant_auth.login_with_link(AT_BAKERY, token)).user == new.user
