from __future__ import annotations

import asyncio
import re

import pytest

from bunbase.contracts.bunauth.problems import LinkExpired, ReauthenticationRequired
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.mails import AddressConfirmed
from bunbase.contracts.tenant_auth.problems import EmailDomainNotAllowed
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import secret_caller
from tests.tenant_auth.mailbox import link, mails
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, change_settings, without_password

EVE, NEW = "eve@example.com", "eve@new.example"
SERVER = secret_caller(BAKERY)
CODE = re.compile(r"\b\d{6}\b")
READER_OF_MAIL = Caller(CallerKind.ANONYMOUS, project=BAKERY)


async def test_an_address_changes_when_both_addresses_have_agreed(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock, email_verified=True)
    id, session = eve.end_user().uid, eve.end_user().session
    await tenant_auth.request_user_email_change(eve, " Eve@NEW.example")
    old, new = await link(tenant_auth, EVE, "change-email"), await link(tenant_auth, NEW, "change-email")
    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_email_change(AT_LIBRARY, old)

    both = await asyncio.gather(
        *(tenant_auth.confirm_user_email_change(READER_OF_MAIL, token) for token in (old, old, new)),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in both) == ["AddressConfirmed", "AddressConfirmed", "LinkExpired"]
    assert AddressConfirmed("pending") in both
    assert AddressConfirmed("changed") in both
    after = await tenant_auth.user(SERVER, id)
    assert (after.email, after.email_verified) == (NEW, True)
    assert await tenant_auth.session_alive(BAKERY, session, 1)
    assert (await mails(tenant_auth, EVE))[0].subject == "Your email address at this app has changed"


async def test_an_address_that_was_never_verified_is_not_asked(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    await tenant_auth.request_user_email_change(eve, NEW)
    token = await link(tenant_auth, NEW, "change-email")

    assert await tenant_auth.confirm_user_email_change(AT_BAKERY, token) == AddressConfirmed("changed")


async def test_a_change_that_somebody_else_has_prepared_ends_when_the_owner_of_the_address_signs_in(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    mallory = await without_password(tenant_auth, EVE, clock)
    await tenant_auth.request_user_email_change(mallory, NEW)
    prepared = await link(tenant_auth, NEW, "change-email")

    await tenant_auth.request_user_code(AT_BAKERY, EVE)
    [code] = [found[0] for mail in await mails(tenant_auth, EVE) if (found := CODE.search(mail.text))]
    await tenant_auth.login_with_code(AT_BAKERY, EVE, code)

    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_email_change(AT_BAKERY, prepared)


async def test_the_address_of_another_user_cannot_be_taken_and_the_answer_does_not_show_it(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    await tenant_auth.create_user(SERVER, NewUser(NEW))
    await tenant_auth.request_user_email_change(eve, NEW)

    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_email_change(AT_BAKERY, await link(tenant_auth, NEW, "change-email"))

    assert (await tenant_auth.user(SERVER, eve.end_user().uid)).email == EVE


async def test_a_user_changes_the_address_only_to_an_allowed_domain(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    await tenant_auth.request_user_email_change(eve, NEW)
    early = await link(tenant_auth, NEW, "change-email")
    await change_settings(tenant_auth, email_domains=["example.com"])

    with pytest.raises(EmailDomainNotAllowed):
        await tenant_auth.request_user_email_change(eve, NEW)
    with pytest.raises(LinkExpired):  # The change began before the project chose its domains.
        await tenant_auth.confirm_user_email_change(AT_BAKERY, early)

    assert (await tenant_auth.user(SERVER, eve.end_user().uid)).email == EVE
    await tenant_auth.request_user_email_change(eve, "ada@example.com")
    # An administrator may set this address.
    await tenant_auth.update_user(SERVER, eve.end_user().uid, UserChanges(email=NEW))


async def test_a_change_needs_a_fresh_proof_and_another_address_and_ends_after_a_day(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    for wrong in (EVE, "no address"):
        with pytest.raises(InvalidInput):
            await tenant_auth.request_user_email_change(eve, wrong)
    await tenant_auth.request_user_email_change(eve, NEW)
    first = await link(tenant_auth, NEW, "change-email")
    await tenant_auth.request_user_email_change(eve, "third@example.com")
    with pytest.raises(LinkExpired):  # A later change replaces the first change.
        await tenant_auth.confirm_user_email_change(AT_BAKERY, first)
    late = await link(tenant_auth, "third@example.com", "change-email")
    clock.advance(86400)

    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_email_change(AT_BAKERY, late)
    with pytest.raises(ReauthenticationRequired):
        await tenant_auth.request_user_email_change(eve, NEW)


async def test_confirmations_and_a_deletion_at_once_do_not_wait_for_each_other(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    for number in range(5):
        eve = await without_password(tenant_auth, f"eve{number}@example.com", clock)
        await tenant_auth.request_user_email_change(eve, f"new{number}@example.com")
        token = await link(tenant_auth, f"new{number}@example.com", "change-email")
        found = await asyncio.gather(
            tenant_auth.confirm_user_email_change(AT_BAKERY, token),
            tenant_auth.delete_user(SERVER, eve.end_user().uid),
            tenant_auth.update_user(SERVER, eve.end_user().uid, UserChanges(role="editor")),
            return_exceptions=True,
        )
        assert [one for one in found if isinstance(one, Exception) and not hasattr(one, "code")] == []
