from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bunbase.contracts.bunauth.problems import InvalidToken, TokenExpired, TokenReused
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.jobs import upkeep_jobs
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings import TenantAuthSettings
from tests.bunauth.feeds import feed_of
from tests.fakes import FakeKms
from tests.rooms import opened, site
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, claims_of, signed_up

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
    session = (await claims_of(tenant_auth, BAKERY, first.access_token, lambda: clock.now().timestamp()))["sid"]
    second = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    assert await tenant_auth.session_alive(BAKERY, session, 0)
    clock.advance(10)

    with pytest.raises(TokenReused):
        await tenant_auth.refresh(AT_BAKERY, first.refresh_token)

    assert not await tenant_auth.session_alive(BAKERY, session, 0)
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, second.refresh_token)


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

    assert told == Revocation(RevokedKind.SESSION, caller.user.session, clock.now().timestamp() + 960)
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
