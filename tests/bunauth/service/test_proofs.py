from __future__ import annotations

import asyncio

import pytest

from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.accounts import Proof
from bunbase.contracts.bunauth.problems import (
    InvalidCredentials,
    InvalidToken,
    ReauthenticationRequired,
    WrongProof,
)
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, InvalidInput
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE

NEW = "another horse battery"


async def test_a_sign_in_and_a_password_are_proofs_for_ten_minutes_in_their_session(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    other = await caller_with(bunauth, (await bunauth.login(ANYONE, "ada@example.com", PASSWORD)).access_token)
    await bunauth.need_fresh_proof(caller)
    clock.advance(600)

    with pytest.raises(ReauthenticationRequired) as refused:
        await bunauth.need_fresh_proof(caller)
    await bunauth.reauthenticate(caller, Proof(PASSWORD))

    await bunauth.need_fresh_proof(caller)
    assert refused.value.extra["methods"] == ["password"]
    with pytest.raises(ReauthenticationRequired):
        await bunauth.need_fresh_proof(other)


async def test_a_refresh_is_no_proof(bunauth: BunAuthService, clock: ManualClock) -> None:
    first = await registered(bunauth)
    clock.advance(600)

    caller = await caller_with(bunauth, (await bunauth.refresh(ANYONE, first.refresh_token)).access_token)

    with pytest.raises(ReauthenticationRequired):
        await bunauth.need_fresh_proof(caller)


async def test_a_personal_token_is_no_proof(bunauth: BunAuthService) -> None:
    signed_in = await caller_with(bunauth, (await registered(bunauth)).access_token)
    token = (await bunauth.create_token(signed_in, "ci", ("read", "write"), None)).token

    with pytest.raises(Forbidden):
        await bunauth.need_fresh_proof(await caller_with(bunauth, token or ""))


async def test_ten_wrong_proofs_end_the_session_even_if_they_are_sent_at_once(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)

    tried = await asyncio.gather(
        *(bunauth.reauthenticate(caller, Proof("wrong horse battery")) for _ in range(10)), return_exceptions=True
    )

    assert {type(one) for one in tried} == {WrongProof}
    with pytest.raises(InvalidToken):
        await bunauth.need_fresh_proof(caller)


async def test_a_right_proof_resets_the_count_of_wrong_ones(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)

    for _ in range(2):
        for _ in range(9):
            with pytest.raises(WrongProof):
                await bunauth.reauthenticate(caller, Proof("wrong horse battery"))
        await bunauth.reauthenticate(caller, Proof(PASSWORD))

    await bunauth.need_fresh_proof(caller)


async def test_a_new_password_replaces_the_old_one_and_ends_all_other_sessions(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    mine, other = await registered(bunauth), await bunauth.login(ANYONE, "ada@example.com", PASSWORD)
    clock.advance(600)
    fresh = await bunauth.refresh(ANYONE, mine.refresh_token)
    caller = await caller_with(bunauth, fresh.access_token)

    await bunauth.change_password(caller, NEW, PASSWORD)

    with pytest.raises(InvalidCredentials):
        await bunauth.login(ANYONE, "ada@example.com", PASSWORD)
    with pytest.raises(InvalidToken):
        await bunauth.refresh(ANYONE, other.refresh_token)
    assert (await bunauth.verify(fresh.access_token)).valid
    assert (await bunauth.login(ANYONE, "ada@example.com", NEW)).user == mine.user


async def test_a_password_is_not_changed_without_a_proof(bunauth: BunAuthService, clock: ManualClock) -> None:
    mine = await registered(bunauth)
    clock.advance(600)
    caller = await caller_with(bunauth, (await bunauth.refresh(ANYONE, mine.refresh_token)).access_token)

    with pytest.raises(ReauthenticationRequired):
        await bunauth.change_password(caller, NEW, None)
    with pytest.raises(WrongProof):
        await bunauth.change_password(caller, NEW, "wrong horse battery")
    with pytest.raises(InvalidInput):
        await bunauth.change_password(caller, "short", PASSWORD)

    assert (await bunauth.login(ANYONE, "ada@example.com", PASSWORD)).user == mine.user


async def test_a_sign_in_with_the_old_password_opens_no_session_after_the_change(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    found = await bunauth.stores.accounts.credentials("ada@example.com")
    assert found is not None

    await bunauth.change_password(caller, NEW, PASSWORD)

    with pytest.raises(InvalidCredentials):
        await bunauth.sign_in.tokens.open_session(ANYONE, found)
