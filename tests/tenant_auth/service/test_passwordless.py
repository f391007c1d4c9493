from __future__ import annotations

import asyncio
import re

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import InvalidCredentials, LinkExpired, SecondFactorRequired
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.problems import InvalidCode, UserBanned
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.signups import NewUserInvite
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.sign_in_codes import MAX_COMPARED, MAX_MADE, MAX_OF_ALL
from tests.fakes import FakeKms
from tests.rooms import publishable_caller, secret_caller
from tests.tenant_auth.mailbox import kinds, link, mails
from tests.tenant_auth.people import (
    AT_BAKERY,
    AT_LIBRARY,
    BAKERY,
    LIBRARY,
    PASSWORD,
    change_settings,
    signed_up,
)

EVE = "eve@example.com"
SERVER = secret_caller(BAKERY)
READER_OF_MAIL = Caller(CallerKind.ANONYMOUS, project=BAKERY)
APP = "https://bakery.example/app"
CODE = re.compile(r"\b\d{6}\b")


async def code(room: TenantAuthService, to: str = EVE) -> str:
    """Request a code, and return the code of the newest mail."""
    await room.request_user_code(AT_BAKERY, to)
    return next(found[0] for mail in await mails(room, to) if (found := CODE.search(mail.text)))


def another(code: str) -> str:
    """Return a wrong code."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def verified(room: TenantAuthService) -> str:
    return (await room.create_user(SERVER, NewUser(EVE, email_verified=True))).id


async def test_a_code_signs_in_once_also_for_two_requests_at_once(tenant_auth: TenantAuthService) -> None:
    id = await verified(tenant_auth)
    sent = await code(tenant_auth)

    found = await asyncio.gather(
        *(tenant_auth.login_with_code(AT_BAKERY, " EVE@example.com", f"{sent[:3]} {sent[3:]}") for _ in range(3)),
        return_exceptions=True,
    )

    assert [type(one).__name__ for one in found].count("InvalidCode") == 2
    [signed_in] = [one for one in found if isinstance(one, UserSignedIn)]
    assert signed_in.user.id == id
    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_code(AT_BAKERY, EVE, sent)


async def test_a_wrong_code_does_not_show_whether_an_address_has_a_user(tenant_auth: TenantAuthService) -> None:
    await verified(tenant_auth)
    await code(tenant_auth)

    refused = []
    for email in (EVE, "nobody@example.com", "no address"):
        with pytest.raises(InvalidCode) as wrong:
            await tenant_auth.login_with_code(AT_BAKERY, email, "000000")
        refused.append(wrong.value.body())

    assert refused[0] == refused[1] == refused[2]


async def test_of_a_thousand_guesses_from_fifty_networks_fifty_are_compared_and_the_owner_gets_in(
    tenant_auth: TenantAuthService, kms: FakeKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    unseal = kms.unseal

    async def counted(owner: str, context: str, sealed: str) -> bytes:
        compared.append(context)
        return await unseal(owner, context, sealed)

    monkeypatch.setattr(kms, "unseal", counted)
    await verified(tenant_auth)
    # After this sign-in, the network is known.
    await tenant_auth.login_with_code(AT_BAKERY, EVE, await code(tenant_auth))
    compared.clear()
    sent = await code(tenant_auth)
    guesses = [number for number in range(1000) if f"{number:06d}" != sent]

    async def guess(number: int) -> None:
        thief = msgspec.structs.replace(publishable_caller(BAKERY), ip=f"192.0.2.{number % 50}")
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_code(thief, EVE, f"{number:06d}")

    for start in range(0, len(guesses), 50):
        await asyncio.gather(*(guess(number) for number in guesses[start : start + 50]))

    assert len(compared) == MAX_OF_ALL
    for elsewhere in ("198.51.100.7", "192.0.2.1"):
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_code(msgspec.structs.replace(AT_BAKERY, ip=elsewhere), EVE, sent)
    for _ in range(MAX_COMPARED - 1):
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_code(AT_BAKERY, EVE, another(sent))
    assert await tenant_auth.login_with_code(AT_BAKERY, EVE, sent)


async def test_of_twenty_guesses_from_one_network_five_are_compared_and_other_networks_are_unaffected(
    tenant_auth: TenantAuthService,
) -> None:
    sent = await code(tenant_auth)
    for host in range(20):
        thief = msgspec.structs.replace(AT_BAKERY, ip=f"2001:db8::{host:x}")
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_code(thief, EVE, another(sent) if host < MAX_COMPARED else sent)

    server = await tenant_auth.login_with_code(SERVER, EVE, sent)  # A server signs in many people from one address.

    assert server.user.email == EVE


async def test_a_stranger_who_asks_and_guesses_for_an_hour_does_not_shut_the_owner_out(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    thief = msgspec.structs.replace(AT_BAKERY, ip="192.0.2.66")
    for minute in range(50):
        await tenant_auth.request_user_code(thief, EVE)
        await mails(tenant_auth, EVE)
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_code(thief, EVE, f"{minute:06d}")
        clock.advance(60)

    sent = await code(tenant_auth)
    owner = await tenant_auth.login_with_code(AT_BAKERY, EVE, sent)
    await tenant_auth.request_user_code(AT_BAKERY, EVE)

    assert owner.user.email == EVE
    await mails(tenant_auth, EVE)
    with pytest.raises(InvalidCode):  # A used code is not valid again.
        await tenant_auth.login_with_code(AT_BAKERY, EVE, sent)


async def test_only_the_newest_code_is_valid_for_ten_minutes_in_its_project_and_five_are_made_an_hour(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await verified(tenant_auth)
    codes = [await code(tenant_auth) for _ in range(MAX_MADE)]
    await tenant_auth.request_user_code(AT_BAKERY, EVE)
    newest, *_ = await mails(tenant_auth, EVE)
    assert codes[-1] in newest.text

    for caller, wrong in (
        (AT_LIBRARY, codes[-1]),
        (AT_BAKERY, another(codes[-1])),
        (AT_BAKERY, "12345"),
        (AT_BAKERY, "١٢٣٤٥٦"),
    ):
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_code(caller, EVE, wrong)
    clock.advance(600)
    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_code(AT_BAKERY, EVE, codes[-1])
    clock.advance(3000)

    assert await tenant_auth.login_with_code(AT_BAKERY, EVE, await code(tenant_auth))


async def test_a_code_is_stored_sealed_and_also_for_addresses_that_may_not_sign_in(
    tenant_auth: TenantAuthService,
) -> None:
    """Because of this, a guess runs the same code for addresses with and without a user."""
    banned = (await tenant_auth.create_user(SERVER, NewUser("bob@example.com", email_verified=True))).id
    await verified(tenant_auth)
    sent = await code(tenant_auth)
    await change_settings(tenant_auth, signups="closed")
    await tenant_auth.update_user(SERVER, banned, UserChanges(banned=True))
    for email in ("nobody@example.com", "bob@example.com", "no address"):
        await tenant_auth.request_user_code(AT_BAKERY, email)

    assert [mail.to for mail in await mails(tenant_auth, "")] == [EVE]
    stored = await tenant_auth.stores.db.value("SELECT string_agg(c::text, ' ') FROM sign_in_codes AS c")
    assert "nobody@example.com" in stored
    assert "bob@example.com" in stored
    assert sent not in stored


async def test_a_stranger_signs_up_by_code_if_the_project_lets_strangers_sign_up(
    tenant_auth: TenantAuthService,
) -> None:
    sent = await code(tenant_auth)
    await change_settings(tenant_auth, email_domains=["bakery.example"])
    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_code(AT_BAKERY, EVE, sent)
    await change_settings(tenant_auth, email_domains=None)

    new = await tenant_auth.login_with_code(AT_BAKERY, EVE, sent)
    again = await tenant_auth.login_with_code(AT_BAKERY, EVE, await code(tenant_auth))

    assert (new.user.email, new.user.email_verified) == (EVE, True)
    assert again.user == new.user


async def test_the_reader_of_the_mails_gets_an_account_that_another_person_opened(
    tenant_auth: TenantAuthService,
) -> None:
    thief = await signed_up(tenant_auth)

    owner = await tenant_auth.login_with_code(AT_BAKERY, EVE, await code(tenant_auth))

    assert (owner.user.id, owner.user.email_verified) == (thief.user.id, True)
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
    with pytest.raises(Exception, match="token"):
        await tenant_auth.refresh(AT_BAKERY, thief.refresh_token)


async def test_a_user_with_a_second_factor_is_asked_for_it_and_the_code_is_used_up(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    id = await verified(tenant_auth)
    sent = await code(tenant_auth)
    await tenant_auth.stores.db.execute(
        "INSERT INTO totp (project, user_id, sealed, confirmed_at) VALUES ($1, $2, 'x', $3)", BAKERY, id, clock.now()
    )

    with pytest.raises(SecondFactorRequired):
        await tenant_auth.login_with_code(AT_BAKERY, EVE, sent)
    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_code(AT_BAKERY, EVE, sent)


async def test_a_banned_user_is_refused_with_a_code_from_before(tenant_auth: TenantAuthService) -> None:
    id = await verified(tenant_auth)
    sent = await code(tenant_auth)
    await tenant_auth.update_user(SERVER, id, UserChanges(banned=True))

    with pytest.raises(UserBanned):
        await tenant_auth.login_with_code(AT_BAKERY, EVE, sent)


async def test_a_link_signs_in_once_and_leads_only_to_the_app(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    id = await verified(tenant_auth)
    with pytest.raises(InvalidInput):  # The project has no address of an app.
        await tenant_auth.request_user_link(AT_BAKERY, EVE, "")
    await change_settings(tenant_auth, redirect_urls=[APP])
    with pytest.raises(InvalidInput):
        await tenant_auth.request_user_link(AT_BAKERY, EVE, "https://evil.example/app")
    await tenant_auth.request_user_link(AT_BAKERY, EVE, "")
    token = await link(tenant_auth, EVE, "sign-in-link")

    targets = {await tenant_auth.user_link_target(READER_OF_MAIL, token) for _ in range(2)}
    with pytest.raises(LinkExpired):
        await tenant_auth.login_with_link(AT_LIBRARY, token)
    both = await asyncio.gather(
        *(tenant_auth.login_with_link(AT_BAKERY, token) for _ in range(2)), return_exceptions=True
    )

    assert targets == {f"{APP}?token={token}"}
    assert sorted(type(one).__name__ for one in both) == ["LinkExpired", "UserSignedIn"]
    assert [one.user.id for one in both if isinstance(one, UserSignedIn)] == [id]
    with pytest.raises(LinkExpired):
        await tenant_auth.user_link_target(READER_OF_MAIL, token)


async def test_only_the_newest_link_is_valid_for_ten_minutes(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await change_settings(tenant_auth, redirect_urls=[APP])
    tokens = []
    for _ in range(2):
        await tenant_auth.request_user_link(AT_BAKERY, EVE, f"{APP}/in")
        tokens.append(await link(tenant_auth, EVE, "sign-in-link"))
    with pytest.raises(LinkExpired):
        await tenant_auth.login_with_link(AT_BAKERY, tokens[0])
    clock.advance(600)

    with pytest.raises(LinkExpired):
        await tenant_auth.login_with_link(AT_BAKERY, tokens[1])


async def test_a_request_whose_message_is_dropped_leaves_the_link_and_the_code_that_were_sent_before(
    tenant_auth: TenantAuthService,
) -> None:
    await change_settings(tenant_auth, redirect_urls=[APP], verify_emails=True)
    tenant_auth.stores.mails.settings = msgspec.structs.replace(tenant_auth.stores.mails.settings, max_of_a_kind=1)
    for _ in range(2):
        await tenant_auth.request_user_link(AT_BAKERY, EVE, "")
        await tenant_auth.signup(AT_BAKERY, EVE, PASSWORD, {})
        await code(tenant_auth)

    assert sorted(await kinds(tenant_auth, EVE)) == ["sign_in_code", "sign_in_link", "verify_email"]
    assert await tenant_auth.user_link_target(READER_OF_MAIL, await link(tenant_auth, EVE, "sign-in-link"))
    await tenant_auth.confirm_user_signup(AT_BAKERY, await link(tenant_auth, EVE, "sign-up"), PASSWORD)
    sent = next(found[0] for mail in await mails(tenant_auth, EVE) if (found := CODE.search(mail.text)))
    assert (await tenant_auth.login_with_code(AT_BAKERY, EVE, sent)).user.email == EVE


async def test_strangers_who_ask_for_mails_to_other_addresses_cannot_use_up_the_mails_of_users(
    tenant_auth: TenantAuthService,
) -> None:
    await verified(tenant_auth)
    tenant_auth.stores.mails.max_per_project = 5
    for number in range(5):
        await tenant_auth.request_user_code(AT_BAKERY, f"stranger{number}@example.com")
    await mails(tenant_auth, "")

    assert await code(tenant_auth)
    assert len(await mails(tenant_auth, "")) == 5


async def test_the_owners_of_other_projects_cannot_use_up_the_mails_of_a_user(tenant_auth: TenantAuthService) -> None:
    await verified(tenant_auth)
    limits = tenant_auth.stores.mails.settings
    tenant_auth.stores.mails.settings = msgspec.structs.replace(limits, max_per_address=6)
    for number in range(6):  # Each request comes from its own project.
        await tenant_auth.invite_user(secret_caller(LIBRARY), NewUserInvite(EVE))
        await tenant_auth.stores.db.execute(
            "UPDATE mails SET project = $1 WHERE project = $2", f"prj_{number}", LIBRARY
        )

    assert await code(tenant_auth)
