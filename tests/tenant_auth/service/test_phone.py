from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import InvalidCredentials, ReauthenticationRequired, SecondFactorRequired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.problems import (
    InvalidCode,
    PhoneNotAllowed,
    PhoneNotConfigured,
    PhoneTaken,
    SignupRefused,
    UserBanned,
)
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput, RateLimited
from bunbase.pkg.identity.problems import LastSignInMethod
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.service.text_messages import MAX_PER_PHONE
from bunbase.tenant_auth.sign_in_codes import MAX_COMPARED, MAX_MADE
from tests.rooms import publishable_caller, secret_caller
from tests.tenant_auth.hooking import FakeFunctions
from tests.tenant_auth.people import (
    AT_BAKERY,
    AT_LIBRARY,
    BAKERY,
    LIBRARY,
    PASSWORD,
    as_user,
    change_settings,
    claims_of,
    without_password,
)
from tests.tenant_auth.phones import OTHER_PHONE, PHONE, code_by_text, phones_on, settle

SERVER = secret_caller(BAKERY)


async def signed_in(room: TenantAuthService, clock: ManualClock, phone: str = PHONE) -> tuple[UserSignedIn, Caller]:
    answer = await room.login_with_phone(AT_BAKERY, phone, await code_by_text(room, phone))
    return answer, await as_user(room, AT_BAKERY, answer.access_token, clock.now().timestamp)


async def test_a_person_signs_up_and_in_by_text_message(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    sender = await phones_on(tenant_auth, app_name="Bakery")
    german = msgspec.structs.replace(AT_BAKERY, accept_language="de-DE,de;q=0.9,en;q=0.5")
    await tenant_auth.request_phone_code(german, "+49 (0)170 123 45 67", "")
    await settle(tenant_auth)
    [message] = sender.to(PHONE)

    new = await tenant_auth.login_with_phone(AT_BAKERY, " +49 170-1234567", f"{message.code[:3]} {message.code[3:]}")
    again, _ = await signed_in(tenant_auth, clock)

    assert (message.kind, message.language, message.app_name) == ("sign_in", "de-DE", "Bakery")
    assert (new.user.phone, new.user.phone_verified, new.user.email) == (PHONE, True, None)
    assert again.user == new.user
    claims = await claims_of(tenant_auth, BAKERY, new.access_token, clock.now().timestamp)
    assert (claims["provider"], claims["amr"], PHONE in str(claims)) == ("phone", ["sms"], False)


@pytest.mark.parametrize(
    ("settings", "phone", "refusal"),
    [
        ({"hooks": {"send_sms": None}}, PHONE, PhoneNotConfigured),
        ({"phone": {"countries": None}}, PHONE, PhoneNotConfigured),
        ({}, "+1 876 555 1234", PhoneNotAllowed),
        ({"phone": {"countries": ["US"]}}, "+1 876 555 1234", PhoneNotAllowed),  # Jamaica has +1 too.
        # A message to this number would be expensive.
        ({"phone": {"countries": ["*"]}}, "+49 900 1234567", InvalidInput),
        ({}, "0170 1234567", InvalidInput),
    ],
)
async def test_a_project_names_the_countries_to_which_it_pays_messages(
    tenant_auth: TenantAuthService, settings: dict[str, Any], phone: str, refusal: type[Exception]
) -> None:
    tenant_auth.pools.site = replace(tenant_auth.pools.site, mode="production")
    sender = await phones_on(tenant_auth)
    await change_settings(tenant_auth, **settings)

    with pytest.raises(refusal):
        await tenant_auth.request_phone_code(AT_BAKERY, phone, "")

    await settle(tenant_auth)
    assert sender.sent == []


async def test_answers_and_work_do_not_show_whether_a_number_has_a_user(tenant_auth: TenantAuthService) -> None:
    sender = await phones_on(tenant_auth, signups="closed")
    db = tenant_auth.stores.db
    banned = (await tenant_auth.create_user(SERVER, NewUser("bob@example.com"))).id
    await db.execute("UPDATE users SET phone = $1, phone_verified = true WHERE id = $2", OTHER_PHONE, banned)
    await tenant_auth.update_user(SERVER, banned, UserChanges(banned=True))

    for phone in (PHONE, OTHER_PHONE):
        await tenant_auth.request_phone_code(AT_BAKERY, phone, "")
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_phone(AT_BAKERY, phone, "123456")
    await settle(tenant_auth)

    assert sender.sent == []
    assert await db.value("SELECT count(*) FROM sign_in_codes WHERE kind = 'phone_code'") == 2


async def test_of_two_hundred_guesses_five_are_compared_and_a_code_works_once(tenant_auth: TenantAuthService) -> None:
    await phones_on(tenant_auth)
    sent = await code_by_text(tenant_auth)
    both = await asyncio.gather(
        *(tenant_auth.login_with_phone(AT_BAKERY, PHONE, sent) for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in both) == ["InvalidCode", "InvalidCode", "UserSignedIn"]

    sent = await code_by_text(tenant_auth)
    wrong = [f"{number:06d}" for number in range(200) if f"{number:06d}" != sent]

    async def guess(code: str) -> None:
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_phone(publishable_caller(BAKERY), PHONE, code)

    for start in range(0, 200, 50):
        await asyncio.gather(*(guess(code) for code in wrong[start : start + 50]))
    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_phone(AT_BAKERY, PHONE, sent)
    compared = await tenant_auth.stores.db.value("SELECT compared FROM sign_in_codes WHERE address = $1", PHONE)
    assert compared == MAX_COMPARED
    elsewhere = msgspec.structs.replace(AT_BAKERY, ip="192.0.2.66")
    assert await tenant_auth.login_with_phone(elsewhere, PHONE, sent), "wrong guesses void no code of another network"


async def test_a_stranger_who_asks_for_codes_and_guesses_for_an_hour_does_not_shut_the_owner_out(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    sender = await phones_on(tenant_auth)
    thief = msgspec.structs.replace(AT_BAKERY, ip="192.0.2.66")
    for minute in range(50):
        await tenant_auth.request_phone_code(thief, PHONE, "")
        await settle(tenant_auth)
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_phone(thief, PHONE, f"{minute:06d}")
        clock.advance(60)
    assert len(sender.to(PHONE)) == MAX_PER_PHONE

    # No further message is sent, but the newest code is valid again.
    await tenant_auth.request_phone_code(AT_BAKERY, PHONE, "")
    await settle(tenant_auth)
    clock.advance(599)
    owner = await tenant_auth.login_with_phone(AT_BAKERY, PHONE, sender.to(PHONE)[-1].code)

    assert owner.user.phone == PHONE
    assert await tenant_auth.knows_address(BAKERY, "+49 170 1234567", AT_BAKERY.ip)
    assert not await tenant_auth.knows_address(BAKERY, PHONE, thief.ip)


async def test_a_number_gets_five_codes_an_hour_and_a_project_its_maximum(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    sender = await phones_on(tenant_auth, phone={"countries": ["DE"], "max_per_hour": 8})
    known = await without_password(tenant_auth, "eve@example.com", clock)
    has_phone = "UPDATE users SET phone = $1, phone_verified = true WHERE id = $2"
    await tenant_auth.stores.db.execute(has_phone, OTHER_PHONE, known.end_user().uid)
    await phones_on(tenant_auth, LIBRARY)
    for _ in range(MAX_MADE + 2):
        await tenant_auth.request_phone_code(AT_BAKERY, PHONE, "")
        await settle(tenant_auth)
    codes = [message.code for message in sender.to(PHONE)]
    assert (len(codes), len(set(codes)), len(set(codes[MAX_MADE - 1 :]))) == (MAX_MADE + 2, MAX_MADE, 1)
    for last in range(5):
        await tenant_auth.request_phone_code(AT_BAKERY, f"+4917012345{last}0", "")
    await tenant_auth.request_phone_code(AT_LIBRARY, PHONE, "")
    await settle(tenant_auth)

    assert len([one for one in sender.sent if one[0] == BAKERY]) == 7
    assert await code_by_text(tenant_auth, OTHER_PHONE), "strangers cannot use up the messages of users"
    assert len(sender.to(PHONE, LIBRARY)) == 1, "one project cannot use up the messages of another"
    clock.advance(3601)
    assert await code_by_text(tenant_auth)


async def test_a_code_whose_message_is_dropped_does_not_replace_the_one_before(tenant_auth: TenantAuthService) -> None:
    await phones_on(tenant_auth, phone={"countries": ["DE"], "max_per_hour": 5})
    sent = await code_by_text(tenant_auth)
    for last in range(4):  # Strangers use up the project's limit of messages.
        await tenant_auth.request_phone_code(AT_BAKERY, f"+4917012345{last}0", "")
    await settle(tenant_auth)

    await tenant_auth.request_phone_code(AT_BAKERY, PHONE, "")
    await settle(tenant_auth)

    assert (await tenant_auth.login_with_phone(AT_BAKERY, PHONE, sent)).user.phone == PHONE
    made = await tenant_auth.stores.db.value("SELECT count(*) FROM sign_in_codes WHERE kind = 'phone_code'")
    assert made == 5, "a number whose message was dropped has a code too, so that a guess takes the same way"


async def test_a_code_of_another_project_another_number_or_another_way_signs_nobody_in(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await phones_on(tenant_auth)
    await phones_on(tenant_auth, LIBRARY)
    here = await code_by_text(tenant_auth)
    await code_by_text(tenant_auth, PHONE, AT_LIBRARY)
    eve = await without_password(tenant_auth, "eve@example.com", clock)

    for caller, phone in ((AT_LIBRARY, PHONE), (AT_BAKERY, OTHER_PHONE)):
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_phone(caller, phone, here)
    with pytest.raises(InvalidCode):
        await tenant_auth.confirm_phone_change(eve, PHONE, here)
    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_code(AT_BAKERY, PHONE, here)
    clock.advance(600)
    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_phone(AT_BAKERY, PHONE, here)


async def test_a_banned_user_and_a_second_factor_are_respected(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await phones_on(tenant_auth)
    new, _ = await signed_in(tenant_auth, clock)
    sent = await code_by_text(tenant_auth)
    await tenant_auth.stores.db.execute(
        "INSERT INTO totp (project, user_id, sealed, confirmed_at) VALUES ($1, $2, 'x', $3)",
        BAKERY, new.user.id, clock.now(),
    )  # fmt: skip
    with pytest.raises(SecondFactorRequired):
        await tenant_auth.login_with_phone(AT_BAKERY, PHONE, sent)
    sent = await code_by_text(tenant_auth)
    await tenant_auth.update_user(SERVER, new.user.id, UserChanges(banned=True))

    with pytest.raises(UserBanned):
        await tenant_auth.login_with_phone(AT_BAKERY, PHONE, sent)


async def test_a_signed_in_user_changes_the_number_with_a_fresh_proof_and_a_code_to_the_new_one(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    sender = await phones_on(tenant_auth)
    eve = await without_password(tenant_auth, "eve@example.com", clock, email_verified=True)
    mallory = await without_password(tenant_auth, "mallory@example.com", clock)
    await tenant_auth.request_phone_change(eve, PHONE, "fr")
    await settle(tenant_auth)
    [message] = sender.to(PHONE)

    with pytest.raises(InvalidCode):
        await tenant_auth.confirm_phone_change(mallory, PHONE, message.code)
    with pytest.raises(InvalidCode):
        await tenant_auth.login_with_phone(AT_BAKERY, PHONE, message.code)
    changed = await tenant_auth.confirm_phone_change(eve, PHONE, message.code)

    assert (message.kind, message.language) == ("phone_change", "fr")
    assert (changed.phone, changed.phone_verified, changed.email) == (PHONE, True, "eve@example.com")
    assert (await signed_in(tenant_auth, clock))[0].user == changed
    [mail] = await tenant_auth.dev_mails("eve@example.com", BAKERY, 1, "")
    assert "+4917…67" in mail.text
    clock.advance(601)
    with pytest.raises(ReauthenticationRequired):
        await tenant_auth.request_phone_change(eve, OTHER_PHONE, "")


async def test_a_user_who_has_only_a_number_signs_in_with_it_and_a_password(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await phones_on(tenant_auth, verify_emails=True)
    first, caller = await signed_in(tenant_auth, clock)
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, PHONE, PASSWORD)
    await tenant_auth.change_user_password(caller, PASSWORD, None)
    again = await tenant_auth.login(AT_BAKERY, "+49 (0)170 123 45 67", PASSWORD)
    wrong = [(AT_BAKERY, PHONE, "a wrong password"), (AT_LIBRARY, PHONE, PASSWORD), (AT_BAKERY, OTHER_PHONE, PASSWORD)]
    for at, number, password in wrong:
        with pytest.raises(InvalidCredentials):
            await tenant_auth.login(at, number, password)
    now = await as_user(tenant_auth, AT_BAKERY, again.access_token, clock.now().timestamp)

    assert (again.user.id, again.amr) == (first.user.id, ("pwd",))
    assert await tenant_auth.knows_address(BAKERY, PHONE, AT_BAKERY.ip)
    with pytest.raises(LastSignInMethod):
        # Without the number, nothing would name the user at a sign-in with the password.
        await tenant_auth.remove_phone(now)


async def test_a_number_belongs_to_one_user_and_the_last_way_in_stays(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    sender = await phones_on(tenant_auth)
    _, by_phone = await signed_in(tenant_auth, clock)
    eve = await without_password(tenant_auth, "eve@example.com", clock, email_verified=True)
    await tenant_auth.request_phone_change(eve, PHONE, "")
    await settle(tenant_auth)

    with pytest.raises(PhoneTaken):
        await tenant_auth.confirm_phone_change(eve, PHONE, sender.to(PHONE)[-1].code)
    with pytest.raises(LastSignInMethod):
        await tenant_auth.remove_phone(by_phone)
    await tenant_auth.request_phone_change(eve, OTHER_PHONE, "")
    await settle(tenant_auth)
    await tenant_auth.confirm_phone_change(eve, OTHER_PHONE, sender.to(OTHER_PHONE)[-1].code)

    assert (await tenant_auth.remove_phone(eve)).phone is None
    assert (await tenant_auth.me(by_phone)).phone == PHONE


async def test_a_number_that_nobody_has_confirmed_opens_only_a_user_who_has_nothing_else(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await phones_on(tenant_auth)
    db = tenant_auth.stores.db
    eve = (await tenant_auth.create_user(SERVER, NewUser("eve@example.com"))).id
    await db.execute("UPDATE users SET phone = $1 WHERE id = $2", PHONE, eve)
    alone = (await tenant_auth.create_user(SERVER, NewUser("alone@example.com"))).id
    await db.execute("UPDATE users SET phone = $1, email = NULL WHERE id = $2", OTHER_PHONE, alone)

    stranger, _ = await signed_in(tenant_auth, clock)
    known, _ = await signed_in(tenant_auth, clock, OTHER_PHONE)

    assert stranger.user.id not in (eve, alone)
    assert (await tenant_auth.user(SERVER, eve)).phone is None
    assert (known.user.id, known.user.phone_verified) == (alone, True)


async def test_in_dev_mode_without_a_hook_the_codes_are_in_the_mailbox(tenant_auth: TenantAuthService) -> None:
    await change_settings(tenant_auth, phone={"countries": ["DE"]})
    await tenant_auth.request_phone_code(AT_BAKERY, PHONE, "")
    await settle(tenant_auth)
    [message] = await tenant_auth.dev_mails(PHONE, BAKERY, 10, "")

    assert (await tenant_auth.login_with_phone(AT_BAKERY, PHONE, message.text.strip())).user.phone == PHONE


async def has_number(room: TenantAuthService, id: str) -> None:
    """Set a number that nobody has confirmed, as an import does."""
    await room.stores.db.execute("UPDATE users SET phone = $1, phone_verified = false WHERE id = $2", PHONE, id)


async def test_a_user_keeps_an_unconfirmed_number_if_its_owner_is_not_admitted(
    tenant_auth: TenantAuthService, functions: FakeFunctions
) -> None:
    await phones_on(tenant_auth)
    eve = await tenant_auth.create_user(SERVER, NewUser("eve@example.com", email_verified=True))
    await has_number(tenant_auth, eve.id)
    functions.deploy(BAKERY, "gate", before_signup=lambda _: {"refuse": "no"})

    for settings, refusal in (
        ({"signups": "closed"}, InvalidCode),
        ({"signups": "open", "hooks": {"before_signup": "gate"}}, SignupRefused),
    ):
        await change_settings(tenant_auth, **settings)
        code = await code_by_text(tenant_auth)
        with pytest.raises(refusal):
            await tenant_auth.login_with_phone(AT_BAKERY, PHONE, code)
        assert (await tenant_auth.user(SERVER, eve.id)).phone == PHONE

    await change_settings(tenant_auth, hooks={"before_signup": None})
    new = await tenant_auth.login_with_phone(AT_BAKERY, PHONE, code)
    assert new.user.id != eve.id
    assert (await tenant_auth.user(SERVER, eve.id)).phone is None


@pytest.mark.parametrize("factor", ["passkeys", "totp"])
async def test_an_unconfirmed_number_opens_no_user_with_a_passkey_or_a_second_factor(
    tenant_auth: TenantAuthService, clock: ManualClock, factor: str
) -> None:
    """A sign-in with a number that this user never confirmed creates a new user instead."""
    await phones_on(tenant_auth)
    first, _ = await signed_in(tenant_auth, clock)
    await has_number(tenant_auth, first.user.id)
    add = {
        "passkeys": "INSERT INTO passkeys (project, id, user_id, credential_id, public_key, sign_count, name, synced,"
        " created_at) VALUES ($1, 'pky_x', $2, 'x', 'x', 0, 'x', false, $3)",
        "totp": "INSERT INTO totp (project, user_id, sealed, confirmed_at) VALUES ($1, $2, 'x', $3)",
    }[factor]
    await tenant_auth.stores.db.execute(add, BAKERY, first.user.id, clock.now())

    other, _ = await signed_in(tenant_auth, clock)

    assert other.user.id != first.user.id
    assert await tenant_auth.stores.db.value(f"SELECT count(*) FROM {factor}") == 1


async def test_only_codes_that_were_sent_to_a_new_number_are_valid_however_many_users_ask(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    sender = await phones_on(tenant_auth)
    for number in range(3):
        user = await without_password(tenant_auth, f"user{number}@example.com", clock)
        for _ in range(MAX_MADE):
            await tenant_auth.request_phone_change(user, PHONE, "")
    await settle(tenant_auth)

    made = await tenant_auth.stores.db.value("SELECT sum(made) FROM sign_in_codes WHERE kind = 'phone_change'")
    assert made == len(sender.to(PHONE)) == MAX_PER_PHONE
    with pytest.raises(RateLimited):  # The request is refused whatever the number is.
        await tenant_auth.request_phone_change(user, OTHER_PHONE, "")
