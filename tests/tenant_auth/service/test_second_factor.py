from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.bunauth.problems import (
    ChallengeExpired,
    InvalidToken,
    ReauthenticationRequired,
    SecondFactorRequired,
    TotpNotFound,
    WrongCode,
)
from bunbase.contracts.tenant_auth.problems import MfaEnrolmentRequired, UserNotFound
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.identity.factors import Proof, SecondFactor
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.sign_in_methods import SignInMethod
from tests.bunauth.factors import Phone
from tests.rooms import member_caller, secret_caller
from tests.tenant_auth.factors import EVE, challenged, choose, stored_checks, user_of, with_totp
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, LIBRARY, PASSWORD, signed_up

SERVER = secret_caller(BAKERY)


async def test_a_password_and_a_code_open_one_session_of_two_factors(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    first = await signed_up(tenant_auth)
    phone, codes = await with_totp(tenant_auth, await user_of(tenant_auth, first, clock), clock)
    challenge = await challenged(tenant_auth)
    # The changed character is in the part that names the first step.
    altered = challenge[:-1] + ("A" if challenge[-1] != "A" else "B")

    for caller, sent in ((AT_LIBRARY, challenge), (AT_BAKERY, altered), (AT_BAKERY, challenge.partition(".")[0])):
        with pytest.raises(ChallengeExpired):
            await tenant_auth.login_with_second_factor(caller, sent, SecondFactor(phone.code()))
    with pytest.raises(WrongCode):
        await tenant_auth.login_with_second_factor(AT_BAKERY, challenge, SecondFactor(phone.wrong_code()))
    both = await asyncio.gather(
        *(tenant_auth.login_with_second_factor(AT_BAKERY, challenge, SecondFactor(phone.code())) for _ in range(2)),
        return_exceptions=True,
    )

    (opened,) = [one for one in both if isinstance(one, UserSignedIn)]
    assert [type(one) for one in both if one is not opened] == [ChallengeExpired]
    assert (opened.aal, opened.amr) == (2, ("pwd", "otp", "mfa"))
    assert await stored_checks(tenant_auth, opened.access_token, clock) == (2, ["pwd", "otp", "mfa"])
    by_recovery = SecondFactor(codes[0])
    assert (await tenant_auth.login_with_second_factor(AT_BAKERY, await challenged(tenant_auth), by_recovery)).aal == 2
    with pytest.raises(WrongCode):
        await tenant_auth.login_with_second_factor(AT_BAKERY, await challenged(tenant_auth), by_recovery)


async def test_the_session_that_turns_the_second_factor_on_has_two_factors_and_may_turn_it_off(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    first = await signed_up(tenant_auth)
    eve = await user_of(tenant_auth, first, clock)
    with pytest.raises(TotpNotFound):
        await tenant_auth.new_recovery_codes(eve)

    _, codes = await with_totp(tenant_auth, eve, clock)
    new = (await tenant_auth.new_recovery_codes(eve)).recovery_codes
    state, refreshed = await tenant_auth.totp_state(eve), await tenant_auth.refresh(AT_BAKERY, first.refresh_token)

    assert (state.enabled, state.recovery_codes_left, len({*codes, *new})) == (True, 10, 20)
    assert (refreshed.aal, refreshed.amr) == (2, ("pwd", "otp", "mfa"))
    clock.advance(600)
    for act in (tenant_auth.start_totp, tenant_auth.remove_totp, tenant_auth.new_recovery_codes):
        with pytest.raises(ReauthenticationRequired):
            await act(eve)
    await tenant_auth.reauthenticate(eve, Proof(PASSWORD))
    await tenant_auth.remove_totp(eve)
    assert (await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)).aal == 1


async def test_a_proof_by_a_code_raises_the_session_for_all_its_later_tokens(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    other = await signed_up(tenant_auth)
    opened = await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
    phone, _ = await with_totp(tenant_auth, await user_of(tenant_auth, other, clock), clock)
    # The change of the factors has ended the session's access token.
    opened = await tenant_auth.refresh(AT_BAKERY, opened.refresh_token)
    eve = await user_of(tenant_auth, opened, clock)

    proved = await tenant_auth.reauthenticate(eve, Proof(code=phone.code()))
    refreshed = await tenant_auth.refresh(AT_BAKERY, opened.refresh_token)

    assert (opened.aal, proved.aal, refreshed.aal) == (1, 2, 2)
    assert proved.amr == refreshed.amr == ("pwd", "otp", "mfa")
    assert await stored_checks(tenant_auth, proved.access_token, clock) == (2, ["pwd", "otp", "mfa"])
    (_, listed) = (await tenant_auth.own_sessions(eve, 10, None)).items
    assert (listed.aal, listed.provider) == (2, "password")


async def test_a_project_that_needs_a_second_factor_opens_no_session_without_one(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    before = await signed_up(tenant_auth)
    await choose(tenant_auth, second_factor="required")
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, before.refresh_token)
    with pytest.raises(MfaEnrolmentRequired) as new:
        await signed_up(tenant_auth, email="bob@example.com")
    with pytest.raises(MfaEnrolmentRequired) as asked:
        await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
    challenge, of_bob = asked.value.extra["challenge"], new.value.extra["challenge"]
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM sessions") == 1

    phone = Phone((await tenant_auth.start_enrolment(AT_BAKERY, challenge)).secret, clock)
    for caller, sent in ((AT_LIBRARY, challenge), (AT_BAKERY, "bsc_x")):
        with pytest.raises(ChallengeExpired):
            await tenant_auth.confirm_enrolment(caller, sent, phone.code())
    with pytest.raises(TotpNotFound):
        await tenant_auth.confirm_enrolment(AT_BAKERY, of_bob, phone.code())
    with pytest.raises(WrongCode):
        await tenant_auth.confirm_enrolment(AT_BAKERY, challenge, phone.wrong_code())
    enrolled = await tenant_auth.confirm_enrolment(AT_BAKERY, challenge, phone.code())

    assert (enrolled.user.email, enrolled.aal, len(enrolled.recovery_codes)) == (EVE, 2, 10)
    assert (await tenant_auth.refresh(AT_BAKERY, enrolled.refresh_token)).aal == 2
    with pytest.raises(ChallengeExpired):
        await tenant_auth.start_enrolment(AT_BAKERY, challenge)
    with pytest.raises(ChallengeExpired):  # A user with an app cannot replace the app before the second step.
        await tenant_auth.start_enrolment(AT_BAKERY, await challenged(tenant_auth))
    with pytest.raises(Forbidden):
        await tenant_auth.remove_totp(await user_of(tenant_auth, enrolled, clock))


async def test_a_project_without_second_factors_lets_nobody_set_one_up_and_still_asks_for_those_that_exist(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await user_of(tenant_auth, await signed_up(tenant_auth), clock)
    await with_totp(tenant_auth, eve, clock)

    await choose(tenant_auth, second_factor="off")

    with pytest.raises(Forbidden):
        await tenant_auth.start_totp(eve)
    assert await challenged(tenant_auth)


async def test_the_link_or_code_of_the_first_step_is_used_up_when_the_challenge_is_made(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await user_of(tenant_auth, await signed_up(tenant_auth), clock)
    await with_totp(tenant_auth, eve, clock)
    person = await tenant_auth.stores.users.by_id(BAKERY, eve.end_user().uid)
    assert person is not None
    used: list[bool] = []

    async def use_link() -> None:
        used.append(await tenant_auth.stores.db.value("SELECT true"))

    link = SignInMethod(("otp",), "link")
    with pytest.raises(SecondFactorRequired):
        await tenant_auth.opening.open_session(AT_BAKERY, person, link, also=use_link)

    assert used == [True]


async def test_an_administrator_removes_the_factors_of_a_user_who_has_lost_them(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await user_of(tenant_auth, await signed_up(tenant_auth), clock)
    await with_totp(tenant_auth, eve, clock)
    uid = eve.end_user().uid

    for stranger in (eve, AT_BAKERY):
        with pytest.raises(Forbidden):
            await tenant_auth.reset_user_factors(stranger, uid)
    with pytest.raises(UserNotFound):
        await tenant_auth.reset_user_factors(secret_caller(LIBRARY), uid)
    assert await challenged(tenant_auth)
    await tenant_auth.reset_user_factors(SERVER, uid)
    await tenant_auth.reset_user_factors(member_caller(BAKERY), uid)

    assert (await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)).aal == 1


async def test_a_sign_in_beyond_the_limit_ends_the_oldest_session(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await choose(tenant_auth, sessions={"max_per_user": 2})
    oldest = await user_of(tenant_auth, await signed_up(tenant_auth), clock)
    clock.advance(1)
    await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
    clock.advance(1)

    both = await asyncio.gather(*(tenant_auth.login(AT_BAKERY, EVE, PASSWORD) for _ in range(2)))

    new = {(await user_of(tenant_auth, one, clock)).end_user().session for one in both}
    listed = (await tenant_auth.own_sessions(await user_of(tenant_auth, both[0], clock), 10, None)).items
    assert {one.id for one in listed} == new
    assert not await tenant_auth.session_alive(BAKERY, oldest.end_user().session, 0)
