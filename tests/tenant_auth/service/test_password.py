from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.bunauth.problems import InvalidCredentials, LinkExpired, ReauthenticationRequired, WrongProof
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import secret_caller
from tests.tenant_auth.mailbox import link, mails
from tests.tenant_auth.people import (
    AT_BAKERY,
    AT_LIBRARY,
    BAKERY,
    PASSWORD,
    as_user,
    change_settings,
    signed_up,
    without_password,
)

EVE = "eve@example.com"
NEW = "another horse battery"
SERVER = secret_caller(BAKERY)
READER_OF_MAIL = Caller(CallerKind.ANONYMOUS, project=BAKERY)
APP = "https://bakery.example/app"


async def asked(room: TenantAuthService) -> str:
    """Request a mail with which Eve resets the password, and return the token in it."""
    await room.request_user_password_reset(AT_BAKERY, EVE, "")
    return await link(room, EVE, "reset-password")


async def test_a_user_whom_no_sign_in_could_name_gets_no_password(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    """An imported user may have only an identity at another service, or only an id."""
    eve = await without_password(tenant_auth, EVE, clock)
    await tenant_auth.stores.db.execute("UPDATE users SET email = NULL")
    for change in (
        tenant_auth.change_user_password(eve, NEW, None),
        tenant_auth.update_user(SERVER, eve.end_user().uid, UserChanges(password=NEW)),
    ):
        with pytest.raises(InvalidInput) as refused:
            await change
        assert refused.value.extra["errors"][0]["path"] == "/password"


async def test_of_two_resets_with_one_link_one_wins_and_all_sessions_end(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await as_user(tenant_auth, AT_BAKERY, (await signed_up(tenant_auth)).access_token, clock.now().timestamp)
    first, token = await asked(tenant_auth), await asked(tenant_auth)

    both = await asyncio.gather(
        *(tenant_auth.reset_user_password(READER_OF_MAIL, token, NEW) for _ in range(2)), return_exceptions=True
    )

    assert sorted(map(type, both), key=str) == [LinkExpired, str]
    with pytest.raises(LinkExpired):  # This is another link that waited for the same user.
        await tenant_auth.reset_user_password(AT_BAKERY, first, NEW)
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
    assert not await tenant_auth.session_alive(BAKERY, eve.end_user().session, 0)
    assert (await tenant_auth.login(AT_BAKERY, EVE, NEW)).user.email_verified
    assert (await mails(tenant_auth, EVE))[0].subject == "Your password for this app has changed"


async def test_a_reset_link_is_worthless_late_elsewhere_and_after_a_change_of_the_address(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    id = (await tenant_auth.create_user(SERVER, NewUser(EVE))).id
    token = await asked(tenant_auth)
    with pytest.raises(LinkExpired):
        await tenant_auth.reset_user_password(AT_LIBRARY, token, NEW)
    with pytest.raises(InvalidInput):
        await tenant_auth.reset_user_password(AT_BAKERY, token, "short")
    await tenant_auth.update_user(SERVER, id, UserChanges(email="new@example.com"))
    with pytest.raises(LinkExpired):
        await tenant_auth.reset_user_password(AT_BAKERY, token, NEW)
    await tenant_auth.update_user(SERVER, id, UserChanges(email=EVE))
    clock.advance(3600)
    with pytest.raises(LinkExpired):
        await tenant_auth.reset_user_password(AT_BAKERY, token, NEW)

    assert not (await tenant_auth.user(SERVER, id)).has_password


async def test_unknown_and_banned_addresses_get_the_same_answer_and_no_mail(tenant_auth: TenantAuthService) -> None:
    id = (await tenant_auth.create_user(SERVER, NewUser(EVE))).id
    await tenant_auth.update_user(SERVER, id, UserChanges(banned=True))

    for email in (EVE, "nobody@example.com", "no address"):
        await tenant_auth.request_user_password_reset(AT_BAKERY, email, "")

    assert await mails(tenant_auth, "") == []


@pytest.mark.parametrize("verified", [False, True])
async def test_a_reset_of_an_unverified_account_ends_the_ways_in_of_whoever_opened_it(
    tenant_auth: TenantAuthService, clock: ManualClock, verified: bool
) -> None:
    id = (await tenant_auth.create_user(SERVER, NewUser(EVE, email_verified=verified))).id
    await tenant_auth.stores.db.execute(
        "INSERT INTO identities (project, id, user_id, provider, subject, created_at, last_used_at) "
        "VALUES ($1, 'idn_x', $2, 'google', 's', $3, $3)",
        *(BAKERY, id, clock.now()),
    )

    await tenant_auth.reset_user_password(READER_OF_MAIL, await asked(tenant_auth), NEW)

    left = await tenant_auth.stores.db.value("SELECT count(*) FROM identities WHERE project = $1", BAKERY)
    assert (left == 1) is verified


async def test_a_page_leads_back_only_to_an_address_that_the_project_allows(tenant_auth: TenantAuthService) -> None:
    await tenant_auth.create_user(SERVER, NewUser(EVE))
    await change_settings(tenant_auth, redirect_urls=[APP])
    for ask in (tenant_auth.request_user_password_reset, tenant_auth.request_user_verification):
        for wrong in ("https://evil.example/app", f"{APP}.evil.example", "https://bakery.example/other", "//x", "x"):
            with pytest.raises(InvalidInput):
                await ask(AT_BAKERY, EVE, wrong)
        await ask(AT_BAKERY, EVE, f"{APP}/done")

    confirmed = await tenant_auth.verify_user_email(READER_OF_MAIL, await link(tenant_auth, EVE, "verify-email"))
    token = await link(tenant_auth, EVE, "reset-password")
    await change_settings(tenant_auth, redirect_urls=[])

    assert confirmed.redirect_to == f"{APP}/done"
    assert await tenant_auth.reset_user_password(READER_OF_MAIL, token, NEW) == ""


async def test_a_user_changes_the_password_and_stays_signed_in_only_here(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new, other = await signed_up(tenant_auth), await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
    eve, there = [
        await as_user(tenant_auth, AT_BAKERY, one.access_token, clock.now().timestamp) for one in (new, other)
    ]
    clock.advance(600)

    with pytest.raises(ReauthenticationRequired):
        await tenant_auth.change_user_password(eve, NEW, None)
    with pytest.raises(WrongProof):
        await tenant_auth.change_user_password(eve, NEW, "wrong horse battery")
    await tenant_auth.change_user_password(eve, NEW, PASSWORD)

    version = await tenant_auth.stores.db.value("SELECT version FROM users WHERE project = $1", BAKERY)
    assert await tenant_auth.session_alive(BAKERY, eve.end_user().session, version)
    assert not await tenant_auth.session_alive(BAKERY, there.end_user().session, version)
    assert (await tenant_auth.refresh(AT_BAKERY, new.refresh_token)).user.email == EVE
    assert (await tenant_auth.login(AT_BAKERY, EVE, NEW)).user == new.user
