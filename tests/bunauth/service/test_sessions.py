from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from bunbase.bunauth.jobs import upkeep_jobs
from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.problems import InvalidToken, SessionNotFound, TokenExpired, TokenReused
from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.jwt import Verifier
from bunbase.pkg.modules import Rooms, Site
from bunbase.pkg.opaque import fingerprint
from tests.bunauth.feeds import feed_of
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE, opened

DAY = 86400
PHONE = Caller(CallerKind.ANONYMOUS, ip="203.0.113.7", agent="Phone")


async def test_a_refresh_token_is_exchanged_for_a_new_pair(bunauth: BunAuthService, clock: ManualClock) -> None:
    first = await registered(bunauth)
    clock.advance(600)

    second = await bunauth.refresh(ANYONE, first.refresh_token)

    assert second.user == first.user
    assert {second.access_token, second.refresh_token}.isdisjoint({first.access_token, first.refresh_token})
    assert second.expires_in == 900
    session = (await bunauth.verify(first.access_token)).claims["sid"]
    assert (await bunauth.verify(second.access_token)).claims["sid"] == session


async def test_a_retried_refresh_within_the_grace_period_gets_the_same_pair(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    first = await registered(bunauth)
    second = await bunauth.refresh(ANYONE, first.refresh_token)
    clock.advance(9)

    again = await bunauth.refresh(ANYONE, first.refresh_token)

    assert (again.access_token, again.refresh_token) == (second.access_token, second.refresh_token)
    assert again.expires_in == 900 - 9
    assert (await bunauth.refresh(ANYONE, again.refresh_token)).user == first.user


async def test_simultaneous_refreshes_get_the_same_pair(bunauth: BunAuthService) -> None:
    first = await registered(bunauth)

    twins = await asyncio.gather(*(bunauth.refresh(ANYONE, first.refresh_token) for _ in range(8)))

    assert len({(twin.access_token, twin.refresh_token) for twin in twins}) == 1


async def test_a_client_that_lost_the_answer_gets_the_same_pair_days_later(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    first = await registered(bunauth)
    lost = await bunauth.refresh(ANYONE, first.refresh_token)
    clock.advance(3 * DAY)

    again = await bunauth.refresh(ANYONE, first.refresh_token)

    assert again.refresh_token == lost.refresh_token
    assert (again.expires_in, lost.expires_in) == (900, 900), "the access token of the first answer has expired"
    assert (await bunauth.verify(again.access_token)).valid
    assert (await bunauth.refresh(ANYONE, again.refresh_token)).user == first.user


async def access_token_is_used(bunauth: BunAuthService, pair: SignedIn) -> None:
    assert (await bunauth.verify(pair.access_token)).valid


async def gateway_reports_the_use(bunauth: BunAuthService, pair: SignedIn) -> None:
    claims = Verifier((await bunauth.jwks()).keys, lambda: 0.0).claims(pair.access_token)
    await bunauth.note_first_uses((FirstUse(claims["sid"], claims["gen"]),))


async def refresh_token_is_used(bunauth: BunAuthService, pair: SignedIn) -> None:
    await bunauth.refresh(ANYONE, pair.refresh_token)


@pytest.mark.parametrize("child_is_used", [access_token_is_used, gateway_reports_the_use, refresh_token_is_used])
async def test_a_refresh_token_whose_child_was_used_ends_the_session(
    bunauth: BunAuthService, clock: ManualClock, child_is_used: Callable[[BunAuthService, SignedIn], Awaitable[None]]
) -> None:
    first = await registered(bunauth)
    second = await bunauth.refresh(ANYONE, first.refresh_token)
    await child_is_used(bunauth, second)
    clock.advance(10)

    with pytest.raises(TokenReused):
        await bunauth.refresh(ANYONE, first.refresh_token)

    assert not (await bunauth.verify(second.access_token)).valid


async def test_the_use_of_an_old_access_token_does_not_spend_a_later_refresh_token(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    first = await registered(bunauth)
    second = await bunauth.refresh(ANYONE, first.refresh_token)
    lost = await bunauth.refresh(ANYONE, second.refresh_token)
    await access_token_is_used(bunauth, first)
    await access_token_is_used(bunauth, second)
    clock.advance(60)

    assert (await bunauth.refresh(ANYONE, second.refresh_token)).refresh_token == lost.refresh_token


async def test_a_reused_refresh_token_ends_the_session(bunauth: BunAuthService, clock: ManualClock) -> None:
    first = await registered(bunauth)
    second = await bunauth.refresh(ANYONE, first.refresh_token)
    await access_token_is_used(bunauth, second)
    clock.advance(10)

    with pytest.raises(TokenReused):
        await bunauth.refresh(ANYONE, first.refresh_token)

    assert not (await bunauth.verify(second.access_token)).valid
    with pytest.raises(InvalidToken):
        await bunauth.refresh(ANYONE, second.refresh_token)
    with pytest.raises(TokenReused):
        await bunauth.refresh(ANYONE, first.refresh_token)


async def test_a_reused_refresh_token_does_not_end_other_sessions(bunauth: BunAuthService, clock: ManualClock) -> None:
    first = await registered(bunauth)
    other = await bunauth.login(ANYONE, "ada@example.com", "correct horse battery")
    await access_token_is_used(bunauth, await bunauth.refresh(ANYONE, first.refresh_token))
    clock.advance(10)

    with pytest.raises(TokenReused):
        await bunauth.refresh(ANYONE, first.refresh_token)

    assert (await bunauth.verify(other.access_token)).valid


async def test_a_refresh_token_expires_after_thirty_days(bunauth: BunAuthService, clock: ManualClock) -> None:
    first = await registered(bunauth)
    clock.advance(30 * DAY)

    with pytest.raises(TokenExpired):
        await bunauth.refresh(ANYONE, first.refresh_token)


async def test_a_session_ends_at_its_own_expiry_despite_refreshes(bunauth: BunAuthService, clock: ManualClock) -> None:
    token = (await registered(bunauth)).refresh_token
    for _ in range(8):
        clock.advance(20 * DAY)
        token = (await bunauth.refresh(ANYONE, token)).refresh_token
    clock.advance(20 * DAY)

    with pytest.raises(TokenExpired):
        await bunauth.refresh(ANYONE, token)


async def test_an_unknown_refresh_token_is_invalid(bunauth: BunAuthService) -> None:
    for token in ("", "brt_unknown", "bpt_unknown", "nul\0"):
        with pytest.raises(InvalidToken):
            await bunauth.refresh(ANYONE, token)


async def test_logout_ends_the_session_at_once(bunauth: BunAuthService) -> None:
    signed_in = await registered(bunauth)
    caller = await caller_with(bunauth, signed_in.access_token)

    await bunauth.logout(caller)
    await bunauth.logout(caller)

    assert not (await bunauth.verify(signed_in.access_token)).valid
    with pytest.raises(InvalidToken):
        await bunauth.refresh(ANYONE, signed_in.refresh_token)


async def test_a_logout_reaches_present_and_later_followers_of_the_feed_of_revocations(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    assert caller.developer is not None
    now = clock.now().timestamp()
    expected = Revocation(RevokedKind.SESSION, caller.developer.session, now + 960)
    async with feed_of(bunauth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY

        await bunauth.logout(caller)

        assert await feed.next() == replace(expected, at=now)
    async with feed_of(bunauth) as late:
        assert [await late.next(), await late.next()] == [expected, Revocation(RevokedKind.READY)]


async def test_the_database_contains_a_new_pair_only_encrypted_with_the_old_token(bunauth: BunAuthService) -> None:
    first = await registered(bunauth)
    second = await bunauth.refresh(ANYONE, first.refresh_token)

    stored = await bunauth.stores.db.value(
        "SELECT string_agg(encode(hash || coalesce(sealed_pair, ''), 'escape'), '') FROM refresh_tokens"
    )
    sealed = await bunauth.stores.db.value(
        "SELECT sealed_pair FROM refresh_tokens WHERE hash = $1", fingerprint(first.refresh_token)
    )

    for secret in (first.refresh_token, second.refresh_token, second.access_token):
        assert secret not in stored
    assert len(sealed) > len(second.refresh_token) + len(second.access_token)


async def test_the_encrypted_pair_is_deleted_after_its_first_use_and_the_grace_period(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    first = await registered(bunauth)
    second = await bunauth.refresh(ANYONE, first.refresh_token)
    kept = "SELECT count(*) FROM refresh_tokens WHERE sealed_pair IS NOT NULL"
    _, pairs, _ = upkeep_jobs(bunauth.stores, bunauth.account_sessions.tokens.settings, clock)
    await pairs.work()
    assert await bunauth.stores.db.value(kept) == 1
    clock.advance(10)
    await pairs.work()
    assert await bunauth.stores.db.value(kept) == 1
    await access_token_is_used(bunauth, second)

    await pairs.work()

    assert await bunauth.stores.db.value(kept) == 0
    with pytest.raises(TokenReused):
        await bunauth.refresh(ANYONE, first.refresh_token)


async def test_a_revoked_token_stays_revoked_after_the_lifetime_of_tokens_was_lowered(
    rooms: Rooms, here: Site, clock: ManualClock
) -> None:
    async with opened(MODULE, rooms, here, settings=BunAuthSettings(access_ttl_seconds=DAY)) as longer:
        token = (await registered(longer)).access_token
        expires_at = clock.now().timestamp() + DAY

    async with opened(MODULE, rooms, here, settings=BunAuthSettings(access_ttl_seconds=60)) as shorter:
        await shorter.logout(await caller_with(shorter, token))
        async with feed_of(shorter) as feed:
            told = await feed.next()

    assert told.kind is RevokedKind.SESSION
    assert told.until > expires_at


async def test_upkeep_deletes_ended_sessions_and_keeps_live_ones(bunauth: BunAuthService, clock: ManualClock) -> None:
    over = await registered(bunauth)
    await bunauth.logout(await caller_with(bunauth, over.access_token))
    clock.advance(2 * DAY)
    living = await bunauth.login(ANYONE, "ada@example.com", "correct horse battery")

    upkeep, *_ = upkeep_jobs(bunauth.stores, bunauth.account_sessions.tokens.settings, clock)
    await upkeep.work()

    assert await bunauth.stores.db.value("SELECT count(*) FROM sessions") == 1
    assert await bunauth.stores.db.value("SELECT count(*) FROM refresh_tokens") == 1
    assert await bunauth.stores.db.value("SELECT count(*) FROM revocations") == 0
    assert (await bunauth.refresh(ANYONE, living.refresh_token)).user == living.user


async def test_the_list_shows_device_address_and_last_use_of_the_open_sessions_of_the_account_alone(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    laptop = await caller_with(bunauth, (await registered(bunauth)).access_token)
    await registered(bunauth, "bob@example.com")
    clock.advance(60)
    phone = await bunauth.login(PHONE, "ada@example.com", PASSWORD)
    clock.advance(3600)
    await bunauth.refresh(PHONE, phone.refresh_token)

    page = await bunauth.sessions(laptop, 20, None)

    newest, oldest = page.items
    assert (newest.ip, newest.agent, newest.current) == ("203.0.113.7", "Phone", False)
    assert newest.last_used_at - newest.created_at == timedelta(hours=1)
    assert (oldest.current, page.next) == (True, None)


async def test_sessions_are_listed_in_pages(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    for _ in range(2):
        await bunauth.login(ANYONE, "ada@example.com", PASSWORD)

    first = await bunauth.sessions(caller, 2, None)
    second = await bunauth.sessions(caller, 2, first.next)

    assert [len(first.items), len(second.items), second.next] == [2, 1, None]
    assert len({session.id for session in (*first.items, *second.items)}) == 3


async def test_one_session_is_ended_and_sessions_of_others_cannot_be(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    lost = await bunauth.login(PHONE, "ada@example.com", PASSWORD)
    others = await caller_with(bunauth, (await registered(bunauth, "bob@example.com")).access_token)
    page = await bunauth.sessions(caller, 20, None)

    await bunauth.end_session(caller, page.items[0].id)

    assert not (await bunauth.verify(lost.access_token)).valid
    for id in (page.items[0].id, "ses_unknown", others.signed_in().session):
        with pytest.raises(SessionNotFound):
            await bunauth.end_session(caller, id)
    assert [session.current for session in (await bunauth.sessions(others, 20, None)).items] == [True]


@pytest.mark.parametrize("keep_current", [True, False])
async def test_sign_out_everywhere_ends_all_sessions_and_may_keep_the_current_one(
    bunauth: BunAuthService, keep_current: bool
) -> None:
    first = await registered(bunauth)
    other = await bunauth.login(PHONE, "ada@example.com", PASSWORD)
    caller = await caller_with(bunauth, first.access_token)

    await bunauth.end_sessions(caller, keep_current)

    assert not (await bunauth.verify(other.access_token)).valid
    assert (await bunauth.verify(first.access_token)).valid is keep_current
