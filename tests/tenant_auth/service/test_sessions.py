from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import InvalidToken, SessionNotFound, TokenExpired, TokenReused
from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.jobs import upkeep_jobs
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings import TenantAuthSettings
from tests.bunauth.feeds import feed_of
from tests.fakes import FakeKms
from tests.rooms import opened, site
from tests.tenant_auth.people import AT_BAKERY, BAKERY, LIBRARY, PASSWORD, as_user, claims_of, signed_up

DAY = 86400


async def test_a_retried_refresh_gets_the_same_pair(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    first = await signed_up(tenant_auth)

    twins = await asyncio.gather(*(tenant_auth.refresh(AT_BAKERY, first.refresh_token) for _ in range(8)))
    clock.advance(9)
    retried = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)

    assert len({(one.access_token, one.refresh_token) for one in (*twins, retried)}) == 1
    assert retried.refresh_token != first.refresh_token
    assert (twins[0].expires_in, retried.expires_in) == (900, 891)


async def test_a_reused_refresh_token_ends_the_session(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    first = await signed_up(tenant_auth)
    other = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    session = await session_of(tenant_auth, clock, first)
    second = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    await gateway_reports_the_use(tenant_auth, clock, second)
    assert await tenant_auth.session_alive(BAKERY, session, 0)
    clock.advance(10)

    with pytest.raises(TokenReused):
        await tenant_auth.refresh(AT_BAKERY, first.refresh_token)

    assert not await tenant_auth.session_alive(BAKERY, session, 0)
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, second.refresh_token)
    assert await tenant_auth.session_alive(BAKERY, await session_of(tenant_auth, clock, other), 0)


async def test_a_client_that_lost_the_answer_gets_the_same_pair_days_later(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    first = await signed_up(tenant_auth)
    lost = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    clock.advance(3 * DAY)

    again = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)

    assert again.refresh_token == lost.refresh_token
    assert (again.expires_in, lost.expires_in) == (900, 900), "the access token of the first answer has expired"
    assert await session_of(tenant_auth, clock, again)
    assert (await tenant_auth.refresh(AT_BAKERY, again.refresh_token)).user == first.user


async def gateway_reports_the_use(room: TenantAuthService, clock: ManualClock, pair: UserSignedIn) -> None:
    claims = await claims_of(room, BAKERY, pair.access_token, lambda: clock.now().timestamp())
    await room.note_first_uses((FirstUse(claims["sid"], claims["gen"], BAKERY),))


async def refresh_token_is_used(room: TenantAuthService, clock: ManualClock, pair: UserSignedIn) -> None:
    await room.refresh(AT_BAKERY, pair.refresh_token)


@pytest.mark.parametrize("child_is_used", [gateway_reports_the_use, refresh_token_is_used])
async def test_a_refresh_token_whose_child_was_used_ends_the_session(
    tenant_auth: TenantAuthService,
    clock: ManualClock,
    child_is_used: Callable[[TenantAuthService, ManualClock, UserSignedIn], Awaitable[None]],
) -> None:
    first = await signed_up(tenant_auth)
    await child_is_used(tenant_auth, clock, await tenant_auth.refresh(AT_BAKERY, first.refresh_token))
    clock.advance(10)

    with pytest.raises(TokenReused):
        await tenant_auth.refresh(AT_BAKERY, first.refresh_token)


async def test_uses_of_an_old_access_token_and_in_another_project_spend_no_later_refresh_token(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    first = await signed_up(tenant_auth)
    second = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    lost = await tenant_auth.refresh(AT_BAKERY, second.refresh_token)
    await gateway_reports_the_use(tenant_auth, clock, first)
    await gateway_reports_the_use(tenant_auth, clock, second)
    await tenant_auth.note_first_uses((FirstUse(await session_of(tenant_auth, clock, first), 99, LIBRARY),))
    clock.advance(60)

    assert (await tenant_auth.refresh(AT_BAKERY, second.refresh_token)).refresh_token == lost.refresh_token


async def test_a_session_and_its_access_tokens_end_at_its_own_expiry_despite_refreshes(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    pair = await signed_up(tenant_auth)
    for _ in range(8):
        clock.advance(20 * DAY)
        pair = await tenant_auth.refresh(AT_BAKERY, pair.refresh_token)
    clock.advance(20 * DAY - 60)
    last = await tenant_auth.refresh(AT_BAKERY, pair.refresh_token)
    clock.advance(60)

    assert last.expires_in == 60
    with pytest.raises(TokenExpired):
        await tenant_auth.refresh(AT_BAKERY, last.refresh_token)


async def test_expired_and_unknown_refresh_tokens_are_refused(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    first = await signed_up(tenant_auth)
    clock.advance(30 * DAY)

    with pytest.raises(TokenExpired):
        await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, "urt_unknown")


async def test_a_logout_ends_the_session_and_is_in_the_feed_of_revocations(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth)
    caller = await as_user(tenant_auth, AT_BAKERY, new.access_token, lambda: clock.now().timestamp())
    assert caller.user is not None

    async with feed_of(tenant_auth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY
        await tenant_auth.logout(caller)
        told = await feed.next()

    now = clock.now().timestamp()
    assert told == Revocation(RevokedKind.SESSION, caller.user.session, now + 960, now)
    assert not await tenant_auth.session_alive(BAKERY, caller.user.session, 0)
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, new.refresh_token)


async def test_upkeep_deletes_ended_sessions_and_keeps_live_ones(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    over = await signed_up(tenant_auth)
    await tenant_auth.logout(await as_user(tenant_auth, AT_BAKERY, over.access_token, lambda: clock.now().timestamp()))
    clock.advance(2 * DAY)
    living = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    refreshed = await tenant_auth.refresh(AT_BAKERY, living.refresh_token)
    await gateway_reports_the_use(tenant_auth, clock, refreshed)
    clock.advance(10)

    for job in upkeep_jobs(tenant_auth.stores, TenantAuthSettings(), clock):
        await job.work()

    db = tenant_auth.stores.db
    assert await db.value("SELECT count(*) FROM sessions") == 1
    assert await db.value("SELECT count(*) FROM refresh_tokens") == 2
    assert await db.value("SELECT count(*) FROM refresh_tokens WHERE sealed_pair IS NOT NULL") == 0
    assert await db.value("SELECT count(*) FROM revocations") == 0
    assert (await tenant_auth.refresh(AT_BAKERY, refreshed.refresh_token)).user == living.user


async def test_a_revoked_token_stays_revoked_after_the_lifetime_of_tokens_was_lowered(
    tmp_path: Path, database_url: str, clock: ManualClock, kms: FakeKms
) -> None:
    rooms, here = Rooms({Kms: kms}), site(tmp_path, database_url, clock)
    async with opened(MODULE, rooms, here, settings=TenantAuthSettings(access_ttl_seconds=DAY)) as longer:
        token = (await signed_up(longer)).access_token
        expires_at = clock.now().timestamp() + DAY

    async with opened(MODULE, rooms, here, settings=TenantAuthSettings(access_ttl_seconds=60)) as shorter:
        await shorter.logout(await as_user(shorter, AT_BAKERY, token, lambda: clock.now().timestamp()))
        async with feed_of(shorter) as feed:
            told = await feed.next()

    assert told.kind is RevokedKind.SESSION
    assert told.until > expires_at


async def test_the_database_contains_no_plaintext_token_or_password(tenant_auth: TenantAuthService) -> None:
    first = await signed_up(tenant_auth)
    second = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    db = tenant_auth.stores.db

    stored = await db.value("SELECT string_agg(users::text, '') FROM users") + await db.value(
        "SELECT string_agg(encode(hash || coalesce(sealed_pair, ''), 'escape'), '') FROM refresh_tokens"
    )

    for secret in (PASSWORD, first.refresh_token, second.refresh_token, second.access_token):
        assert secret not in stored


async def test_a_pair_that_nobody_has_used_is_kept_and_can_still_be_asked_for(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    first = await signed_up(tenant_auth)
    lost = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    clock.advance(3600)

    _, pairs, *_ = upkeep_jobs(tenant_auth.stores, TenantAuthSettings(), clock)
    await pairs.work()

    assert (await tenant_auth.refresh(AT_BAKERY, first.refresh_token)).refresh_token == lost.refresh_token


async def test_a_user_lists_only_the_own_open_sessions_in_pages_and_ends_them(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    laptop = await user_of(tenant_auth, clock, await signed_up(tenant_auth))
    bob = await user_of(tenant_auth, clock, await signed_up(tenant_auth, email="bob@example.com"))
    at_phone = msgspec.structs.replace(AT_BAKERY, ip="203.0.113.7", agent="Phone")
    phone = await tenant_auth.login(at_phone, "eve@example.com", PASSWORD)
    tablet = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    clock.advance(3600)
    await tenant_auth.refresh(at_phone, phone.refresh_token)

    first = await tenant_auth.own_sessions(laptop, 2, None)
    second = await tenant_auth.own_sessions(laptop, 2, first.next)
    of_phone = first.items[1]
    for stranger, id in ((bob, of_phone.id), (laptop, "ses_unknown")):
        with pytest.raises(SessionNotFound):
            await tenant_auth.end_own_session(stranger, id)
    await tenant_auth.end_own_session(laptop, of_phone.id)
    left = await tenant_auth.own_sessions(laptop, 20, None)
    await tenant_auth.end_own_sessions(laptop, keep_current=True)
    kept = await tenant_auth.own_sessions(laptop, 20, None)
    await tenant_auth.end_own_sessions(laptop, keep_current=False)

    assert [session.current for session in (*first.items, *second.items)] == [False, False, True]
    assert (of_phone.ip, of_phone.agent) == ("203.0.113.7", "Phone")
    assert of_phone.last_used_at - of_phone.created_at == timedelta(hours=1)
    assert [len(left.items), len(kept.items), kept.items[0].current] == [2, 1, True]
    assert (await tenant_auth.own_sessions(laptop, 20, None)).items == ()
    for token in (phone.refresh_token, tablet.refresh_token):
        with pytest.raises(InvalidToken):
            await tenant_auth.refresh(AT_BAKERY, token)
    assert len((await tenant_auth.own_sessions(bob, 20, None)).items) == 1


async def session_of(room: TenantAuthService, clock: ManualClock, pair: UserSignedIn) -> str:
    session: str = (await claims_of(room, BAKERY, pair.access_token, lambda: clock.now().timestamp()))["sid"]
    return session


async def user_of(room: TenantAuthService, clock: ManualClock, pair: UserSignedIn) -> Caller:
    return await as_user(room, AT_BAKERY, pair.access_token, lambda: clock.now().timestamp())
