from __future__ import annotations

import asyncio

import pytest

from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.problems import InvalidCredentials, LinkExpired
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from tests.bunauth.mailbox import kinds, link
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE

ADA, CHOSEN = "ada@example.com", "another horse battery"


async def test_a_reset_sets_a_new_password_and_ends_all_sessions(bunauth: BunAuthService) -> None:
    first = await registered(bunauth)
    await bunauth.request_password_reset(ADA)

    await bunauth.reset_password(ANYONE, await link(bunauth, ADA, "reset-password"), CHOSEN)

    assert not (await bunauth.verify(first.access_token)).valid
    with pytest.raises(InvalidCredentials):
        await bunauth.login(ANYONE, ADA, PASSWORD)
    signed_in = await bunauth.login(ANYONE, ADA, CHOSEN)
    assert signed_in.user.email_verified, "the link proves that the address belongs to this person"
    assert (await kinds(bunauth, ADA))[-1] == "password_changed"


async def test_a_reset_of_an_account_that_was_never_verified_ends_its_personal_tokens(bunauth: BunAuthService) -> None:
    """A stranger may have opened the account with this address, and left a token in it."""
    stranger = await caller_with(bunauth, (await registered(bunauth)).access_token)
    left = (await bunauth.create_token(stranger, "left", ("read",), None)).token or ""
    await bunauth.request_password_reset(ADA)
    await bunauth.reset_password(ANYONE, await link(bunauth, ADA, "reset-password"), CHOSEN)
    assert not (await bunauth.verify(left)).valid

    owner = await caller_with(bunauth, (await bunauth.login(ANYONE, ADA, CHOSEN)).access_token)
    kept = (await bunauth.create_token(owner, "kept", ("read",), None)).token or ""
    await bunauth.request_password_reset(ADA)
    await bunauth.reset_password(ANYONE, await link(bunauth, ADA, "reset-password"), PASSWORD)

    assert (await bunauth.verify(kept)).valid


async def test_a_link_works_once_even_if_it_is_used_twice_at_once(bunauth: BunAuthService) -> None:
    await registered(bunauth)
    await bunauth.request_password_reset(ADA)
    token = await link(bunauth, ADA, "reset-password")

    answers = await asyncio.gather(
        *(bunauth.reset_password(ANYONE, token, f"another horse {n}") for n in range(3)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in answers) == ["LinkExpired", "LinkExpired", "PasswordReset"]


async def test_other_links_end_with_a_reset_and_an_hour_later(bunauth: BunAuthService, clock: ManualClock) -> None:
    await registered(bunauth)
    await bunauth.request_password_reset(ADA)
    older = await link(bunauth, ADA, "reset-password")
    await bunauth.request_password_reset(ADA)
    await bunauth.reset_password(ANYONE, await link(bunauth, ADA, "reset-password"), CHOSEN)
    with pytest.raises(LinkExpired):
        await bunauth.reset_password(ANYONE, older, PASSWORD)

    clock.advance(3600)
    await bunauth.request_password_reset(ADA)
    late = await link(bunauth, ADA, "reset-password")
    clock.advance(3600)
    with pytest.raises(LinkExpired):
        await bunauth.reset_password(ANYONE, late, PASSWORD)


async def test_a_link_to_a_former_address_resets_nothing(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    await bunauth.request_password_reset(ADA)
    token = await link(bunauth, ADA, "reset-password")
    await bunauth.request_email_change(caller, "ada@new.example")
    await bunauth.confirm_email_change(ANYONE, await link(bunauth, "ada@new.example", "change-email"))

    with pytest.raises(LinkExpired):
        await bunauth.reset_password(ANYONE, token, CHOSEN)


async def test_a_short_password_uses_no_link_up(bunauth: BunAuthService) -> None:
    await registered(bunauth)
    await bunauth.request_password_reset(ADA)
    token = await link(bunauth, ADA, "reset-password")

    with pytest.raises(InvalidInput):
        await bunauth.reset_password(ANYONE, token, "short")

    await bunauth.reset_password(ANYONE, token, CHOSEN)


async def test_a_request_for_an_unknown_address_sends_nothing_and_leaves_no_row(bunauth: BunAuthService) -> None:
    for email in ("nobody@example.com", "no address", "nul\0@example.com"):
        await bunauth.request_password_reset(email)

    assert await kinds(bunauth, "nobody@example.com") == []
    assert await bunauth.stores.db.value("SELECT count(*) FROM mail_requests") == 0


async def test_the_database_contains_no_link(bunauth: BunAuthService) -> None:
    await registered(bunauth)
    await bunauth.request_password_reset(ADA)
    token = await link(bunauth, ADA, "reset-password")

    stored = await bunauth.stores.db.value(
        "SELECT string_agg(encode(hash, 'escape') || mail_tokens::text, '') FROM mail_tokens"
    )

    assert token not in stored
