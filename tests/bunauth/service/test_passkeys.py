from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.accounts import Proof
from bunbase.contracts.bunauth.factors import SecondFactor
from bunbase.contracts.bunauth.problems import (
    PasskeyNotFound,
    PasskeysUnavailable,
    ReauthenticationRequired,
    WrongPasskey,
    WrongProof,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.modules import Rooms, Site
from tests.authenticator import Authenticator
from tests.bunauth.factors import ADA, ORIGIN, challenged, sessions_of, with_passkey, with_totp
from tests.bunauth.mailbox import kinds
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE, opened


@pytest_asyncio.fixture
async def caller(bunauth: BunAuthService) -> AsyncIterator[Caller]:
    yield await caller_with(bunauth, (await registered(bunauth)).access_token)


async def options(bunauth: BunAuthService, challenge: str | None = None) -> dict[str, Any]:
    return (await bunauth.passkey_login_options(challenge)).public_key


async def test_a_passkey_signs_in_without_an_email_and_without_a_second_factor(
    bunauth: BunAuthService, caller: Caller, clock: ManualClock
) -> None:
    await with_totp(bunauth, caller, clock)
    authenticator, id = await with_passkey(bunauth, caller, "laptop")

    answer = await bunauth.login_with_passkey(ANYONE, authenticator.get(await options(bunauth)))

    assert answer.user.email == ADA
    await bunauth.need_fresh_proof(await caller_with(bunauth, answer.access_token))
    (listed,) = (await bunauth.passkeys(caller)).items
    assert (listed.id, listed.name, listed.synced, listed.last_used_at) == (id, "laptop", False, clock.now())


async def test_a_passkey_alone_does_not_turn_the_second_factor_on(bunauth: BunAuthService, caller: Caller) -> None:
    await with_passkey(bunauth, caller)

    assert (await bunauth.login(ANYONE, ADA, PASSWORD)).user.email == ADA
    assert not (await bunauth.totp_state(caller)).enabled


async def test_a_passkey_is_a_second_factor_after_a_password(
    bunauth: BunAuthService, caller: Caller, clock: ManualClock
) -> None:
    await with_totp(bunauth, caller, clock)
    authenticator, _ = await with_passkey(bunauth, caller)
    challenge = await challenged(bunauth)
    asked = await options(bunauth, challenge)
    credential = authenticator.get(await options(bunauth))  # challenges for sign-ins do not count

    with pytest.raises(WrongPasskey):
        await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(passkey=credential))
    answer = await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(passkey=authenticator.get(asked)))

    assert len(asked["allowCredentials"]) == 1
    assert answer.user.email == ADA


async def test_the_passkey_of_another_account_is_no_second_factor_and_no_proof(
    bunauth: BunAuthService, caller: Caller, clock: ManualClock
) -> None:
    await with_totp(bunauth, caller, clock)
    bob = await caller_with(bunauth, (await registered(bunauth, "bob@example.com")).access_token)
    of_bob, _ = await with_passkey(bunauth, bob)
    challenge = await challenged(bunauth)
    factor = of_bob.get(await options(bunauth, challenge))
    proof = of_bob.get((await bunauth.proof_options(caller)).public_key)
    of_nobody = of_bob.get(await options(bunauth), user="")

    with pytest.raises(WrongPasskey):
        await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(passkey=factor))
    with pytest.raises(WrongProof):
        await bunauth.reauthenticate(caller, Proof(passkey=proof))
    with pytest.raises(WrongPasskey):
        await bunauth.login_with_passkey(ANYONE, of_nobody)


async def test_an_answer_opens_one_session_even_if_it_is_sent_many_times_at_once(
    bunauth: BunAuthService, caller: Caller
) -> None:
    authenticator, _ = await with_passkey(bunauth, caller)
    credential, before = authenticator.get(await options(bunauth)), await sessions_of(bunauth)

    tried = await asyncio.gather(
        *(bunauth.login_with_passkey(ANYONE, credential) for _ in range(6)), return_exceptions=True
    )

    assert await sessions_of(bunauth) == before + 1
    assert sum(isinstance(one, WrongPasskey) for one in tried) == 5


async def test_options_work_for_five_minutes(bunauth: BunAuthService, caller: Caller, clock: ManualClock) -> None:
    authenticator, _ = await with_passkey(bunauth, caller)
    asked = await options(bunauth)
    clock.advance(300)

    with pytest.raises(WrongPasskey):
        await bunauth.login_with_passkey(ANYONE, authenticator.get(asked))


@pytest.mark.parametrize("fault", ["origin", "rp_id", "verifies_user", "challenge", "unknown"])
async def test_a_sign_in_of_another_site_without_verification_or_of_an_unknown_passkey_is_refused(
    bunauth: BunAuthService, caller: Caller, fault: str
) -> None:
    authenticator, _ = await with_passkey(bunauth, caller)
    asked = await options(bunauth)
    match fault:
        case "origin":
            authenticator.origin = "http://localhost:7071"
        case "rp_id":
            authenticator.rp_id = "example.com"
        case "verifies_user":
            authenticator.verifies_user = False
        case "challenge":
            asked["challenge"] = "aW52ZW50ZWQ"
        case _:
            authenticator.id = b"unknown"

    with pytest.raises(WrongPasskey):
        await bunauth.login_with_passkey(ANYONE, authenticator.get(asked))


async def test_a_copied_passkey_is_noticed_by_its_counter(bunauth: BunAuthService, caller: Caller) -> None:
    authenticator, _ = await with_passkey(bunauth, caller)
    copy = authenticator.copy()
    for _ in range(2):
        await bunauth.login_with_passkey(ANYONE, authenticator.get(await options(bunauth)))

    with pytest.raises(WrongPasskey, match="may have been copied"):
        await bunauth.login_with_passkey(ANYONE, copy.get(await options(bunauth)))


async def test_a_registration_needs_its_own_options_and_a_passkey_belongs_to_one_account(
    bunauth: BunAuthService, caller: Caller
) -> None:
    authenticator, _ = await with_passkey(bunauth, caller)
    bob = await caller_with(bunauth, (await registered(bunauth, "bob@example.com")).access_token)
    of_ada = (await bunauth.passkey_options(caller)).public_key
    of_bob = (await bunauth.passkey_options(bob)).public_key

    assert [one["id"] for one in of_ada["excludeCredentials"]]
    with pytest.raises(WrongPasskey):
        await bunauth.register_passkey(bob, Authenticator(ORIGIN).create(of_ada), "stolen")
    with pytest.raises(InvalidInput):
        await bunauth.register_passkey(bob, authenticator.create(of_bob), "copied")
    assert (await bunauth.passkeys(bob)).items == ()


async def test_an_account_has_at_most_20_passkeys(bunauth: BunAuthService, caller: Caller) -> None:
    for number in range(20):
        await with_passkey(bunauth, caller, str(number))

    with pytest.raises(InvalidInput, match="at most 20"):
        await bunauth.passkey_options(caller)
    assert len((await bunauth.passkeys(caller)).items) == 20


async def test_a_passkey_is_renamed_and_deleted_by_its_owner_alone(
    bunauth: BunAuthService, caller: Caller, clock: ManualClock
) -> None:
    authenticator, id = await with_passkey(bunauth, caller)
    bob = await caller_with(bunauth, (await registered(bunauth, "bob@example.com")).access_token)
    for act in (bunauth.rename_passkey(bob, id, "mine"), bunauth.delete_passkey(bob, id)):
        with pytest.raises(PasskeyNotFound):
            await act
    await bunauth.rename_passkey(caller, id, " work laptop ")
    assert [one.name for one in (await bunauth.passkeys(caller)).items] == ["work laptop"]
    clock.advance(600)
    with pytest.raises(ReauthenticationRequired) as refused:
        await bunauth.delete_passkey(caller, id)
    proof = authenticator.get((await bunauth.proof_options(caller)).public_key)

    await bunauth.reauthenticate(caller, Proof(passkey=proof))
    await bunauth.delete_passkey(caller, id)

    assert refused.value.extra["methods"] == ["password", "passkey"]
    with pytest.raises(WrongPasskey):
        await bunauth.login_with_passkey(ANYONE, authenticator.get(await options(bunauth)))
    assert (await kinds(bunauth, ADA))[-2:] == ["factor_added", "factor_removed"]


async def test_without_a_host_name_passkeys_are_refused_with_the_reason(rooms: Rooms, here: Site) -> None:
    async with opened(MODULE, rooms, dataclasses.replace(here, public_url="http://192.168.1.5:7070")) as bunauth:
        with pytest.raises(PasskeysUnavailable, match="public_url"):
            await bunauth.passkey_login_options(None)
        with pytest.raises(WrongPasskey):
            await bunauth.login_with_passkey(ANYONE, {})


async def test_challenges_are_deleted_soon_after_they_expire(
    bunauth: BunAuthService, caller: Caller, clock: ManualClock
) -> None:
    """Anybody can create challenges, so the tables must not keep them for a day like other rows."""
    await with_totp(bunauth, caller, clock)
    challenge = await challenged(bunauth)
    await options(bunauth)
    await options(bunauth, challenge)
    clock.advance(301)

    await bunauth.stores.delete_over(clock.now() - timedelta(days=1))

    for table in ("passkey_challenges", "sign_in_challenges"):
        assert await bunauth.stores.db.value(f"SELECT count(*) FROM {table}") == 0
