from __future__ import annotations

import asyncio

import msgspec
import pytest
import pytest_asyncio

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.service import device_logins as limits
from bunbase.contracts.bunauth.accounts import Proof, SignedIn
from bunbase.contracts.bunauth.administration import AccountSuspended
from bunbase.contracts.bunauth.problems import (
    AuthorizationPending,
    ChallengeExpired,
    DeviceCodeExpired,
    DeviceDenied,
    DeviceNotFound,
    InvalidCredentials,
    ReauthenticationRequired,
    SecondFactorRequired,
    SlowDown,
    WrongCode,
)
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, InvalidInput, Problem, RateLimited
from bunbase.pkg.modules import Rooms, Site
from tests.bunauth.factors import challenged, with_totp
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import opened

ADA = "ada@example.com"
LAPTOP = Caller(CallerKind.ANONYMOUS, ip="203.0.113.7", agent="bunbase-cli/1")
BROWSER = Caller(CallerKind.ANONYMOUS, ip="198.51.100.9", agent="Mozilla/5.0")


@pytest_asyncio.fixture
async def ada(bunauth: BunAuthService) -> Caller:
    return await caller_with(bunauth, (await registered(bunauth)).access_token)


async def test_a_device_gets_its_tokens_once_after_a_person_has_approved(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    login = await bunauth.start_device_login(LAPTOP, "bunbase on ada-laptop")
    with pytest.raises(AuthorizationPending) as waits:
        await bunauth.poll_device_login(LAPTOP, login.device_code)
    device = await bunauth.waiting_device(login.user_code.lower())

    await bunauth.decide_device_login(ada, login.user_code, approve=True)
    signed_in = await bunauth.poll_device_login(LAPTOP, login.device_code)

    assert waits.value.body()["error"] == "authorization_pending"
    assert (login.verification_uri, login.expires_in, login.interval) == ("http://127.0.0.1:7070/device", 600, 5)
    assert login.verification_uri_complete == f"{login.verification_uri}?user_code={login.user_code}"
    assert (device.client, device.ip, device.agent) == ("bunbase on ada-laptop", LAPTOP.ip, LAPTOP.agent)
    laptop = await caller_with(bunauth, signed_in.access_token)
    (session, _) = (await bunauth.sessions(laptop, 10, None)).items
    assert (session.ip, session.agent, session.current) == (LAPTOP.ip, LAPTOP.agent, True)
    with pytest.raises(ReauthenticationRequired):
        await bunauth.need_fresh_proof(laptop)
    for code in (login.device_code, "bdc_unknown"):
        with pytest.raises(DeviceCodeExpired):
            await bunauth.poll_device_login(LAPTOP, code)
    with pytest.raises(DeviceNotFound):
        await bunauth.decide_device_login(ada, login.user_code, approve=False)


async def test_a_device_that_asks_too_often_must_ask_more_seldom(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    code = (await bunauth.start_device_login(LAPTOP, "")).device_code
    answers: list[type[Problem]] = []
    for pause in (0, 1, 5, 16):
        clock.advance(pause)
        with pytest.raises((AuthorizationPending, SlowDown)) as waits:
            await bunauth.poll_device_login(LAPTOP, code)
        answers.append(waits.type)

    assert answers == [AuthorizationPending, SlowDown, SlowDown, AuthorizationPending]


async def test_a_device_that_never_waits_still_gets_its_tokens_after_the_approval(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    login = await bunauth.start_device_login(LAPTOP, "")
    for _ in range(20):
        with pytest.raises((AuthorizationPending, SlowDown)):
            await bunauth.poll_device_login(LAPTOP, login.device_code)
        clock.advance(1)

    await bunauth.decide_device_login(ada, login.user_code, approve=True)

    assert (await bunauth.poll_device_login(LAPTOP, login.device_code)).user.email == ADA


async def test_a_denied_device_learns_it_once_and_an_old_code_is_worth_nothing(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    denied, old = [await bunauth.start_device_login(LAPTOP, "") for _ in range(2)]
    await bunauth.decide_device_login(ada, denied.user_code, approve=False)
    with pytest.raises(DeviceDenied) as refused:
        await bunauth.poll_device_login(LAPTOP, denied.device_code)

    clock.advance(599)
    await bunauth.reauthenticate(ada, Proof(PASSWORD))
    await bunauth.decide_device_login(ada, old.user_code, approve=True)
    clock.advance(1)

    assert refused.value.body()["error"] == "access_denied"
    for login in (denied, old):
        with pytest.raises(DeviceCodeExpired):
            await bunauth.poll_device_login(LAPTOP, login.device_code)


async def test_a_person_without_a_session_approves_by_password_and_leaves_no_session(
    bunauth: BunAuthService, ada: Caller
) -> None:
    login = await bunauth.start_device_login(LAPTOP, "")
    with pytest.raises(InvalidCredentials):
        await bunauth.decide_device_login_by_password(BROWSER, login.user_code, ADA, "wrong", approve=True)
    with pytest.raises(DeviceNotFound):
        await bunauth.decide_device_login_by_password(BROWSER, "BBBB-BBBB", ADA, PASSWORD, approve=True)

    await bunauth.decide_device_login_by_password(BROWSER, login.user_code, ADA, PASSWORD, approve=True)

    await bunauth.poll_device_login(LAPTOP, login.device_code)
    addresses = {session.ip for session in (await bunauth.sessions(ada, 10, None)).items}
    assert addresses == {LAPTOP.ip, "127.0.0.1"}, "the browser has no session"


async def test_a_second_factor_guards_an_approval_by_password_and_the_device_needs_none(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    phone, _ = await with_totp(bunauth, ada, clock)
    login, other = [await bunauth.start_device_login(LAPTOP, "") for _ in range(2)]
    with pytest.raises(SecondFactorRequired) as asked:
        await bunauth.decide_device_login_by_password(BROWSER, login.user_code, ADA, PASSWORD, approve=True)
    challenge, code = asked.value.extra["challenge"], phone.code()

    with pytest.raises(WrongCode):
        await bunauth.decide_device_login_by_code(BROWSER, login.user_code, challenge, phone.wrong_code(), approve=True)
    with pytest.raises(DeviceNotFound):
        await bunauth.decide_device_login_by_code(BROWSER, "BBBB-BBBB", challenge, code, approve=True)
    with pytest.raises(AuthorizationPending):
        await bunauth.poll_device_login(LAPTOP, login.device_code)
    await bunauth.decide_device_login_by_code(BROWSER, login.user_code, challenge, code, approve=True)
    with pytest.raises(ChallengeExpired):
        await bunauth.decide_device_login_by_code(BROWSER, other.user_code, challenge, code, approve=True)

    await bunauth.poll_device_login(LAPTOP, login.device_code)
    addresses = {session.ip for session in (await bunauth.sessions(ada, 10, None)).items}
    assert addresses == {LAPTOP.ip, "127.0.0.1"}, "the browser has no session"


async def test_a_suspended_account_approves_nothing_and_an_approved_device_gets_no_tokens(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    bob = await caller_with(bunauth, (await registered(bunauth, "bob@example.com")).access_token)
    phone, _ = await with_totp(bunauth, bob, clock)
    approved, waiting = [await bunauth.start_device_login(LAPTOP, "") for _ in range(2)]
    await bunauth.decide_device_login(bob, approved.user_code, approve=True)
    challenge = await challenged(bunauth, "bob@example.com")

    await bunauth.suspend_account(ada, bob.signed_in().id)

    with pytest.raises(AccountSuspended):
        await bunauth.decide_device_login_by_code(BROWSER, waiting.user_code, challenge, phone.code(), approve=True)
    with pytest.raises(AccountSuspended):
        await bunauth.poll_device_login(LAPTOP, approved.device_code)


async def test_an_approval_ends_with_a_change_of_the_password(bunauth: BunAuthService, ada: Caller) -> None:
    login = await bunauth.start_device_login(LAPTOP, "")
    await bunauth.decide_device_login(ada, login.user_code, approve=True)

    await bunauth.change_password(ada, "another horse battery", None)

    with pytest.raises(DeviceCodeExpired):
        await bunauth.poll_device_login(LAPTOP, login.device_code)


async def test_only_a_session_with_a_fresh_proof_approves(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    login = await bunauth.start_device_login(LAPTOP, "")
    token = (await bunauth.create_token(ada, "ci", ("read", "write"), None)).token or ""
    with pytest.raises(Forbidden):
        await bunauth.decide_device_login(await caller_with(bunauth, token), login.user_code, approve=True)

    clock.advance(600)

    with pytest.raises(ReauthenticationRequired):
        await bunauth.decide_device_login(ada, login.user_code, approve=True)


async def test_of_many_polls_at_once_one_gets_the_tokens(
    bunauth: BunAuthService, ada: Caller, rooms: Rooms, here: Site
) -> None:
    """Two processes get the polls. Both processes see the approval, because it is stored."""
    login = await bunauth.start_device_login(LAPTOP, "")
    await bunauth.decide_device_login(ada, login.user_code, approve=True)

    async with opened(MODULE, rooms, here) as other:
        polls = [one.poll_device_login(LAPTOP, login.device_code) for one in (bunauth, other) for _ in range(4)]
        answers = await asyncio.gather(*polls, return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["DeviceCodeExpired"] * 7 + ["SignedIn"]
    assert any(isinstance(answer, SignedIn) for answer in answers)


async def test_the_number_of_waiting_devices_in_total_and_of_one_network_and_the_length_of_their_names_have_limits(
    bunauth: BunAuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_OPEN_OF_NETWORK", 2)
    for ip in ("198.51.100.1", "198.51.100.2"):
        await bunauth.start_device_login(msgspec.structs.replace(LAPTOP, ip=ip), "")
    with pytest.raises(RateLimited):
        await bunauth.start_device_login(msgspec.structs.replace(LAPTOP, ip="198.51.100.3"), "")
    await bunauth.start_device_login(LAPTOP, "")  # other networks are not limited

    monkeypatch.setattr(limits, "MAX_OPEN_OF_NETWORK", 9)
    monkeypatch.setattr(limits, "MAX_OPEN", 6)
    answers = await asyncio.gather(*(bunauth.start_device_login(LAPTOP, "") for _ in range(6)), return_exceptions=True)

    assert [type(answer).__name__ for answer in answers].count("DeviceLogin") == 3
    assert sum(isinstance(answer, RateLimited) for answer in answers) == 3
    for name in ("x" * 101, "a\nb"):
        with pytest.raises(InvalidInput):
            await bunauth.start_device_login(LAPTOP, name)


async def test_the_device_code_is_stored_only_as_a_hash(bunauth: BunAuthService) -> None:
    login = await bunauth.start_device_login(LAPTOP, "")

    row = await bunauth.stores.db.value("SELECT row_to_json(device_logins)::text FROM device_logins")

    assert login.device_code not in row
    assert login.device_code.removeprefix("bdc_") not in row
