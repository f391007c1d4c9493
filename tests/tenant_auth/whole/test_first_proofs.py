"""When the owner of an address proves it, nothing that anybody had before can be used to sign in as the user."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

import bunbase.tenant_auth.providers
from bunbase.contracts.bunauth.problems import InvalidCredentials, LinkExpired
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Problem
from bunbase.pkg.oidc.person import Person
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.external import FakeProvider
from tests.rooms import secret_caller
from tests.tenant_auth.external import APP, GOOGLE, signed_in
from tests.tenant_auth.mailbox import link, mails
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, signed_up
from tests.tenant_auth.phones import PHONE, code_by_text, phones_on
from tests.tenant_auth.tables import add_a_row_to_every_table

EVE: Final = "eve@example.com"
NEW: Final = "another horse battery"
MALLORY: Final = "mallory@evil.example"
TABLES: Final = """
SELECT array_agg(table_name::text ORDER BY table_name) FROM information_schema.columns
WHERE table_schema = 'tenant_auth' AND column_name = 'user_id'"""
USELESS: Final = {
    "activity": "what has happened; it opens nothing",
    "password_history": "passwords that nobody may choose again",
    "sessions": "the test checks that they have ended",
    "sign_in_challenges": "they are bound to the version of the user",
    "user_months": "counts",
}

Way = Callable[[TenantAuthService], Awaitable[object]]


async def by_reset(room: TenantAuthService) -> None:
    await room.request_user_password_reset(AT_BAKERY, EVE, "")
    await room.reset_user_password(AT_BAKERY, await link(room, EVE, "reset-password"), NEW)


async def by_code(room: TenantAuthService) -> None:
    await room.request_user_code(AT_BAKERY, EVE)
    [code] = [found[0] for mail in await mails(room, EVE) if (found := re.search(r"\b\d{6}\b", mail.text))]
    await room.login_with_code(AT_BAKERY, EVE, code)


async def by_link(room: TenantAuthService) -> None:
    await room.request_user_link(AT_BAKERY, EVE, APP)
    await room.login_with_link(AT_BAKERY, await link(room, EVE, "sign-in-link"))


async def by_another_service(room: TenantAuthService) -> None:
    await signed_in(room)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    service = FakeProvider()
    service.person_there = Person("sub-eve", EVE, True)
    monkeypatch.setattr(bunbase.tenant_auth.providers, "open_provider", lambda *_: service)


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("way", [by_reset, by_code, by_link, by_another_service])
async def test_whoever_proves_the_address_first_has_the_user_alone(
    tenant_auth: TenantAuthService, clock: ManualClock, way: Way
) -> None:
    before = await signed_up(tenant_auth)
    id, db = before.user.id, tenant_auth.stores.db
    mallory = await as_user(tenant_auth, AT_BAKERY, before.access_token, clock.now().timestamp)
    await add_a_row_to_every_table(tenant_auth, BAKERY, id, mallory.end_user().session)
    for table in ("auth_settings", "email_changes", "mail_requests", "mails", "password_history"):
        await db.execute(f"DELETE FROM {table}")
    for table in ("mail_tokens", "passkey_challenges"):
        await db.execute(f"UPDATE {table} SET user_id = $1 WHERE hash = $2", id, BAKERY.encode())
    await db.execute("UPDATE mail_tokens SET kind = 'verify_email' WHERE hash = $1", BAKERY.encode())
    await phones_on(tenant_auth, redirect_urls=[APP], providers={"google": GOOGLE})
    await db.execute("UPDATE users SET phone = $1, phone_verified = true WHERE id = $2", PHONE, id)
    await tenant_auth.request_user_email_change(mallory, MALLORY)
    prepared = await link(tenant_auth, MALLORY, "change-email")

    await way(tenant_auth)

    left = {
        table
        for table in await db.value(TABLES)
        if await db.value(f"SELECT count(*) FROM {table} WHERE user_id = $1 AND {table}::text LIKE '%x of%'", id)
    }
    assert left <= set(USELESS)
    owner = await tenant_auth.user(secret_caller(BAKERY), id)
    assert (owner.email_verified, owner.phone, owner.has_password) == (True, None, way is by_reset)
    with pytest.raises(Problem):
        await tenant_auth.refresh(AT_BAKERY, before.refresh_token)
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_email_change(AT_BAKERY, prepared)
    stranger = await tenant_auth.login_with_phone(AT_BAKERY, PHONE, await code_by_text(tenant_auth))
    assert stranger.user.id != id


async def test_a_confirmed_address_is_asked_about_a_change_that_was_begun_before(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    before = await signed_up(tenant_auth)
    mallory = await as_user(tenant_auth, AT_BAKERY, before.access_token, clock.now().timestamp)
    await tenant_auth.request_user_email_change(mallory, MALLORY)
    prepared = await link(tenant_auth, MALLORY, "change-email")
    await tenant_auth.request_user_verification(AT_BAKERY, EVE, "")

    await tenant_auth.verify_user_email(AT_BAKERY, await link(tenant_auth, EVE, "verify-email"))

    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_email_change(AT_BAKERY, prepared)
    assert (await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)).user.email_verified, "the password stays"
