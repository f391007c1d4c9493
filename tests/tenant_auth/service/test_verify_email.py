from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.mails import AddressConfirmed
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Unauthenticated
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import ANYONE, secret_caller
from tests.tenant_auth.mailbox import link, mails
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, LIBRARY

EVE = "eve@example.com"
SERVER = secret_caller(BAKERY)
READER_OF_MAIL = Caller(CallerKind.ANONYMOUS, project=BAKERY)


async def eve(room: TenantAuthService) -> str:
    """Add Eve, and return her id. She has no password, because a hash of a password costs time."""
    return (await room.create_user(SERVER, NewUser(EVE))).id


async def test_a_link_confirms_the_address_once(tenant_auth: TenantAuthService) -> None:
    id = await eve(tenant_auth)
    await tenant_auth.request_user_verification(AT_BAKERY, " EVE@example.com", "")
    token = await link(tenant_auth, EVE, "verify-email")

    async def confirm(caller: Caller) -> AddressConfirmed:
        return await tenant_auth.verify_user_email(caller, token)

    both = await asyncio.gather(confirm(READER_OF_MAIL), confirm(AT_BAKERY), return_exceptions=True)

    assert [type(one) for one in both if isinstance(one, Exception)] == [LinkExpired]
    assert AddressConfirmed("verified") in both
    assert (await tenant_auth.user(SERVER, id)).email_verified


async def test_unknown_and_confirmed_addresses_get_the_same_answer_and_no_mail(tenant_auth: TenantAuthService) -> None:
    await tenant_auth.create_user(SERVER, NewUser(EVE, email_verified=True))

    for email in (EVE, "nobody@example.com", "no address"):
        await tenant_auth.request_user_verification(AT_BAKERY, email, "")

    assert await mails(tenant_auth, "") == []


async def test_a_link_of_one_project_is_worthless_in_another_one(tenant_auth: TenantAuthService) -> None:
    await eve(tenant_auth)
    there = (await tenant_auth.create_user(secret_caller(LIBRARY), NewUser(EVE))).id
    await tenant_auth.request_user_verification(AT_BAKERY, EVE, "")
    token = await link(tenant_auth, EVE, "verify-email")

    for stranger in (AT_LIBRARY, Caller(CallerKind.ANONYMOUS, project=LIBRARY)):
        with pytest.raises(LinkExpired):
            await tenant_auth.verify_user_email(stranger, token)
    with pytest.raises(Unauthenticated):
        await tenant_auth.verify_user_email(ANYONE, token)

    assert not (await tenant_auth.user(secret_caller(LIBRARY), there)).email_verified
    assert await tenant_auth.verify_user_email(AT_BAKERY, token) == AddressConfirmed("verified")


async def test_a_link_is_worthless_after_a_day_and_after_a_change_of_the_address(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    id = await eve(tenant_auth)
    await tenant_auth.request_user_verification(AT_BAKERY, EVE, "")
    old = await link(tenant_auth, EVE, "verify-email")
    await tenant_auth.update_user(SERVER, id, UserChanges(email="new@example.com"))
    await tenant_auth.request_user_verification(AT_BAKERY, "new@example.com", "")
    late = await link(tenant_auth, "new@example.com", "verify-email")

    with pytest.raises(LinkExpired):
        await tenant_auth.verify_user_email(AT_BAKERY, old)
    clock.advance(86400)
    for token in (late, "umt_unknown", ""):
        with pytest.raises(LinkExpired):
            await tenant_auth.verify_user_email(AT_BAKERY, token)

    assert not (await tenant_auth.user(SERVER, id)).email_verified
