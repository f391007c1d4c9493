from __future__ import annotations

import asyncio

import pytest

from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.service.session_tokens import Factors
from bunbase.contracts.bunauth.accounts import Proof
from bunbase.contracts.bunauth.factors import SecondFactor
from bunbase.contracts.bunauth.problems import (
    ChallengeExpired,
    InvalidCredentials,
    ReauthenticationRequired,
    SecondFactorRequired,
    TotpNotFound,
    WrongCode,
    WrongProof,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, RateLimited
from tests.bunauth.factors import ADA, Phone, challenged, sessions_of, with_totp
from tests.bunauth.mailbox import kinds, link
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE


async def signed_in(bunauth: BunAuthService) -> Caller:
    return await caller_with(bunauth, (await registered(bunauth)).access_token)


async def test_a_password_opens_a_session_only_with_a_code_of_the_app(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    caller = await signed_in(bunauth)
    phone, _ = await with_totp(bunauth, caller, clock)
    with pytest.raises(SecondFactorRequired) as asked:
        await bunauth.login(ANYONE, ADA, PASSWORD)

    answer = await bunauth.login_with_second_factor(ANYONE, asked.value.extra["challenge"], SecondFactor(phone.code()))

    assert asked.value.extra["methods"] == ["totp", "recovery_code"]
    assert asked.value.extra["expires_in"] == 300
    assert answer.user.email == ADA
    await bunauth.need_fresh_proof(await caller_with(bunauth, answer.access_token))
    with pytest.raises(InvalidCredentials):
        await bunauth.login(ANYONE, ADA, "wrong horse battery")


async def test_an_app_has_no_effect_until_its_first_code_confirms_it(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    caller = await signed_in(bunauth)
    phone = Phone((await bunauth.start_totp(caller)).secret, clock)

    with pytest.raises(WrongCode):
        await bunauth.confirm_totp(caller, phone.wrong_code())
    assert (await bunauth.login(ANYONE, ADA, PASSWORD)).user.email == ADA
    clock.advance(901)
    with pytest.raises(TotpNotFound):
        await bunauth.confirm_totp(caller, phone.code())

    assert not (await bunauth.totp_state(caller)).enabled


async def test_a_change_of_the_phone_keeps_the_old_one_until_the_new_one_is_confirmed(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    caller = await signed_in(bunauth)
    old, old_codes = await with_totp(bunauth, caller, clock)
    new = Phone((await bunauth.start_totp(caller)).secret, clock)

    await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(old.code()))
    await bunauth.confirm_totp(caller, new.code())

    assert (await kinds(bunauth, ADA))[-2:] == ["factor_added", "factor_replaced"]
    clock.advance(30)
    for code in (old.code(), old_codes[0]):
        with pytest.raises(WrongCode):
            await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(code))
    await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(new.code()))


async def test_the_code_that_confirmed_the_app_signs_nobody_in(bunauth: BunAuthService, clock: ManualClock) -> None:
    caller = await signed_in(bunauth)
    phone = Phone((await bunauth.start_totp(caller)).secret, clock)
    await bunauth.confirm_totp(caller, phone.code())

    with pytest.raises(WrongCode):
        await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(phone.code()))


async def test_of_many_requests_with_one_code_at_once_only_one_opens_a_session(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    phone, codes = await with_totp(bunauth, await signed_in(bunauth), clock)

    for code in (phone.code(), codes[0]):
        before, challenges = await sessions_of(bunauth), [await challenged(bunauth) for _ in range(4)]
        tried = await asyncio.gather(
            *(
                bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(code))
                for challenge in (*challenges, *challenges)
            ),
            return_exceptions=True,
        )
        refused = {type(one) for one in tried if isinstance(one, BaseException)}

        assert await sessions_of(bunauth) == before + 1
        assert refused <= {WrongCode, ChallengeExpired, RateLimited}


async def test_a_challenge_works_once_for_five_minutes_and_for_five_wrong_codes(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    _, codes = await with_totp(bunauth, await signed_in(bunauth), clock)
    used, guessed, late = [await challenged(bunauth) for _ in range(3)]
    await bunauth.login_with_second_factor(ANYONE, used, SecondFactor(codes[0]))
    for _ in range(5):
        with pytest.raises(WrongCode):
            await bunauth.login_with_second_factor(ANYONE, guessed, SecondFactor("aaaa-aaaa-aaaa-aaaa"))

    for challenge in (used, guessed, "bsc_unknown"):
        with pytest.raises(ChallengeExpired):
            await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(codes[1]))
    clock.advance(300)
    with pytest.raises(ChallengeExpired):
        await bunauth.login_with_second_factor(ANYONE, late, SecondFactor(codes[1]))


async def test_guesses_at_once_over_many_challenges_share_one_limit_that_a_recovery_code_passes(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    phone, codes = await with_totp(bunauth, await signed_in(bunauth), clock)
    challenges, wrong = [await challenged(bunauth) for _ in range(6)], SecondFactor(phone.wrong_code())

    tried = await asyncio.gather(
        *(bunauth.login_with_second_factor(ANYONE, one, wrong) for one in challenges * 3), return_exceptions=True
    )

    assert sum(isinstance(one, WrongCode) for one in tried) == 5
    assert {type(one) for one in tried} == {WrongCode, RateLimited}
    with pytest.raises(RateLimited) as refused:
        await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(phone.code()))
    assert 1 <= refused.value.extra["retry_after_seconds"] <= 61
    assert (await kinds(bunauth, ADA)).count("wrong_codes") == 1
    await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(codes[0]))
    clock.advance(61)
    await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(phone.code()))


async def test_a_recovery_code_works_once_and_new_codes_replace_all(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    caller = await signed_in(bunauth)
    _, codes = await with_totp(bunauth, caller, clock)
    await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(codes[0].upper()))
    left = (await bunauth.totp_state(caller)).recovery_codes_left

    new = (await bunauth.new_recovery_codes(caller)).recovery_codes

    assert (left, (await bunauth.totp_state(caller)).recovery_codes_left) == (9, 10)
    assert (await kinds(bunauth, ADA))[-2:] == ["recovery_code_used", "recovery_codes_replaced"]
    for code in (codes[0], codes[1]):
        with pytest.raises(WrongCode):
            await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(code))
    await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(new[1]))


async def test_a_change_of_the_credentials_ends_the_challenges_that_are_open(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    caller = await signed_in(bunauth)
    _, codes = await with_totp(bunauth, caller, clock)
    challenge = await challenged(bunauth)

    await bunauth.change_password(caller, "another horse battery", PASSWORD)

    with pytest.raises(ChallengeExpired):
        await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(codes[0]))


async def test_a_password_that_was_checked_before_the_app_was_confirmed_opens_no_session(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    caller = await signed_in(bunauth)
    found = await bunauth.stores.accounts.credentials(ADA)
    assert found is not None
    await with_totp(bunauth, caller, clock)

    with pytest.raises(SecondFactorRequired):
        await bunauth.sign_in.tokens.open_session(ANYONE, found)
    with pytest.raises(InvalidCredentials):
        await bunauth.sign_in.tokens.open_session(ANYONE, found, factors=Factors.TWO)


async def test_a_reset_of_the_password_keeps_the_second_factor_of_a_verified_account(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    phone, _ = await with_totp(bunauth, await signed_in(bunauth), clock)
    await bunauth.verify_email(ANYONE, await link(bunauth, ADA, "verify-email"))
    await bunauth.request_password_reset(ADA)

    await bunauth.reset_password(ANYONE, await link(bunauth, ADA, "reset-password"), "another horse battery")

    challenge = await challenged(bunauth, password="another horse battery")
    await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(phone.code()))


async def test_the_first_reset_of_an_unverified_account_removes_factors_that_a_stranger_may_have_added(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    await with_totp(bunauth, await signed_in(bunauth), clock)
    await bunauth.request_password_reset(ADA)

    await bunauth.reset_password(ANYONE, await link(bunauth, ADA, "reset-password"), "another horse battery")

    assert (await bunauth.login(ANYONE, ADA, "another horse battery")).user.email == ADA


async def test_factors_change_only_with_a_fresh_proof_and_the_owner_is_told(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    caller = await signed_in(bunauth)
    await with_totp(bunauth, caller, clock)
    token = (await bunauth.create_token(caller, "ci", ("read", "write"), None)).token or ""
    with pytest.raises(Forbidden):
        await bunauth.remove_totp(await caller_with(bunauth, token))
    clock.advance(600)
    for act in (bunauth.start_totp, bunauth.remove_totp, bunauth.new_recovery_codes, bunauth.passkey_options):
        with pytest.raises(ReauthenticationRequired) as refused:
            await act(caller)
    assert refused.value.extra["methods"] == ["password", "code"]
    again = await bunauth.login_with_second_factor(
        ANYONE, await challenged(bunauth), SecondFactor(await next_code(bunauth, caller, clock))
    )
    fresh = await caller_with(bunauth, again.access_token)

    await bunauth.remove_totp(fresh)

    assert not (await bunauth.totp_state(fresh)).enabled
    assert (await bunauth.login(ANYONE, ADA, PASSWORD)).user.email == ADA
    assert (await kinds(bunauth, ADA))[-2:] == ["factor_added", "factor_removed"]
    with pytest.raises(TotpNotFound):
        await bunauth.remove_totp(fresh)


async def next_code(bunauth: BunAuthService, caller: Caller, clock: ManualClock) -> str:
    """Return a code of the app.

    The secret of the app is read from the database in the same way as the service reads it.
    """
    assert caller.developer is not None
    _, secret = await bunauth.proofs.checks.totp_secret(caller.developer.id)
    return Phone(secret, clock).code()


async def test_a_code_is_a_proof_once_and_a_recovery_code_is_none(bunauth: BunAuthService, clock: ManualClock) -> None:
    caller = await signed_in(bunauth)
    phone, codes = await with_totp(bunauth, caller, clock)
    clock.advance(600)
    await bunauth.reauthenticate(caller, Proof(code=phone.code()))
    await bunauth.need_fresh_proof(caller)

    for code in (phone.code(), codes[0]):
        with pytest.raises(WrongProof):
            await bunauth.reauthenticate(caller, Proof(code=code))
    assert (await bunauth.totp_state(caller)).recovery_codes_left == 10


async def test_secrets_are_sealed_for_their_account_and_codes_are_only_hashes(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    phone, codes = await with_totp(bunauth, await signed_in(bunauth), clock)

    stored = await bunauth.stores.db.value("SELECT totp::text FROM totp")
    hashes = await bunauth.stores.db.value("SELECT string_agg(recovery_codes::text, ' ') FROM recovery_codes")

    assert phone.app.secret not in stored
    assert not any(code in hashes or code.replace("-", "") in hashes for code in codes)


async def test_an_administrator_removes_the_factors_of_an_account_whose_owner_lost_them(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    admin = await signed_in(bunauth)
    bob = await caller_with(bunauth, (await registered(bunauth, "bob@example.com")).access_token)
    assert bob.developer is not None
    await with_totp(bunauth, bob, clock)
    with pytest.raises(Forbidden):
        await bunauth.remove_factors(bob, bob.developer.id)

    await bunauth.remove_factors(admin, bob.developer.id)
    await bunauth.remove_factors(admin, bob.developer.id)

    assert (await bunauth.login(ANYONE, "bob@example.com", PASSWORD)).user.email == "bob@example.com"
    assert (await kinds(bunauth, "bob@example.com"))[-2:] == ["factor_added", "factor_removed"]


async def test_a_crash_in_the_middle_of_a_sign_in_leaves_the_code_and_the_challenge_usable(
    bunauth: BunAuthService, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, _ = await with_totp(bunauth, await signed_in(bunauth), clock)
    challenge = await challenged(bunauth)
    with monkeypatch.context() as patched:
        patched.setattr(bunauth.stores.sessions, "add", _crash)
        with pytest.raises(ConnectionResetError):
            await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(phone.code()))

    answer = await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(phone.code()))

    assert answer.user.email == ADA


async def _crash(*_arguments: object) -> bool:
    raise ConnectionResetError


async def test_if_the_answer_with_the_recovery_codes_is_lost_others_are_made(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    """After a kill -9 between the commit and the answer, the server has stored codes that nobody has seen."""
    caller = await signed_in(bunauth)
    await with_totp(bunauth, caller, clock)

    codes = (await bunauth.new_recovery_codes(caller)).recovery_codes

    await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(codes[9]))
