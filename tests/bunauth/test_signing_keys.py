from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.bunauth.signing_keys import SigningKeys
from bunbase.contracts.bunauth.accounts import NewAccount
from bunbase.contracts.bunauth.problems import ReauthenticationRequired
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.jwt import Verifier
from bunbase.pkg.modules import Rooms, Site
from tests.bunauth.feeds import feed_of
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.pkg.waiting import eventually
from tests.rooms import ANYONE, opened

DAILY = BunAuthSettings(signing_key_days=1)
DAY = 86400
CACHE_SECONDS = 300  # The public keys have this value in Cache-Control.


@asynccontextmanager
async def two_processes(
    rooms: Rooms, here: Site, settings: BunAuthSettings = DAILY
) -> AsyncIterator[tuple[BunAuthService, BunAuthService]]:
    async with (
        opened(MODULE, rooms, here, settings=settings) as one,
        opened(MODULE, rooms, here, settings=settings) as other,
    ):
        yield one, other


def keys_of(service: BunAuthService, max_age: timedelta = timedelta(days=1)) -> SigningKeys:
    return SigningKeys(service.stores, service.access.keys.kms, max_age, service.site.clock)


async def test_processes_that_start_at_once_use_one_signing_key(bunauth: BunAuthService) -> None:
    await bunauth.stores.db.execute("DELETE FROM signing_keys")
    starting = [keys_of(bunauth) for _ in range(4)]

    await asyncio.gather(*(keys.open() for keys in starting))

    assert len({keys.current().kid for keys in starting}) == 1
    assert await bunauth.stores.db.value("SELECT count(*) FROM signing_keys") == 1


async def test_a_token_is_valid_in_another_process_and_after_a_restart(rooms: Rooms, here: Site) -> None:
    async with two_processes(rooms, here) as (one, other):
        token = (await registered(one)).access_token

        assert (await other.verify(token)).valid

    async with opened(MODULE, rooms, here) as later:
        assert (await later.verify(token)).valid


async def test_the_private_key_is_stored_only_sealed_by_bunkms(bunauth: BunAuthService, rooms: Rooms) -> None:
    (row,) = await bunauth.stores.signing_keys.newest_first()

    assert await rooms[Kms].unseal("instance", "bunauth:signing-key", row.sealed)
    columns = """SELECT array_agg(column_name::text) FROM information_schema.columns
        WHERE (table_schema, table_name) = ('bunauth', 'signing_keys')"""
    assert set(await bunauth.stores.db.value(columns)) == {"kid", "sealed", "created_at", "signs_from"}


class CachingReader:
    """An external program that checks tokens with the public keys.

    The program caches the keys as `Cache-Control` allows.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.fetched_at = float("-inf")
        self.verifier = Verifier(())

    async def check(self, service: BunAuthService, token: str) -> None:
        """Check a token. Raises: BadToken, also if the token names a key that the cached keys do not contain."""
        now = self.clock.now().timestamp()
        if now - self.fetched_at >= CACHE_SECONDS:
            self.verifier = Verifier((await service.jwks()).keys, lambda: self.clock.now().timestamp())
            self.fetched_at = now
        self.verifier.claims(token)


async def test_no_valid_token_is_refused_during_rotations(rooms: Rooms, here: Site, clock: ManualClock) -> None:
    """Two processes sign and check all the time. The processes run their jobs at different times."""
    chance = random.Random(3)
    async with two_processes(rooms, here) as processes:
        signed_in = await registered(processes[0])
        account, session = signed_in.user, processes[0].access.claims(signed_in.access_token)["sid"]
        reader, tokens, signers, most = CachingReader(clock), dict[str, int](), set[str](), 0
        for step in range(300):
            clock.advance(chance.choice((30, 60, 400)) if step % 30 else 6 * 3600)
            now = clock.now()
            for one in chance.sample(processes, chance.choice((1, 2))):
                await one.access.keys.keep()
            for one in processes:
                if chance.random() < 0.5:
                    token, expires_at = one.access.sign(account, session, 0, now, now + timedelta(days=1))
                    tokens[token] = expires_at
                signers.add(one.access.keys.current().kid)
            tokens = {token: end for token, end in tokens.items() if end > now.timestamp()}
            for token in tokens:
                one, other = processes
                assert one.access.claims(token)
                assert other.access.claims(token)
                await reader.check(chance.choice(processes), token)
            most = max(most, len((await processes[0].jwks()).keys))

        assert len(signers) >= 3, "the keys have rotated"
        assert most <= 3, "next, current and retired"


async def test_the_next_key_is_published_a_day_before_it_signs_and_made_once(
    rooms: Rooms, here: Site, clock: ManualClock
) -> None:
    async with two_processes(rooms, here, BunAuthSettings(signing_key_days=90)) as (one, other):
        first = one.access.keys.current().kid
        clock.advance(89 * DAY - 1)
        await one.access.keys.keep()
        assert len((await one.jwks()).keys) == 1

        clock.advance(1)
        await asyncio.gather(*(process.access.keys.keep() for process in (one, other) for _ in range(3)))
        published = {key["kid"] for key in (await other.jwks()).keys}
        clock.advance(DAY - 1)
        before = {process.access.keys.current().kid for process in (one, other)}
        clock.advance(1)
        after = {process.access.keys.current().kid for process in (one, other)}

        assert len(published) == 2
        assert before == {first}
        assert after == published - {first}

        clock.advance(900 + 120)
        await one.access.keys.keep()
        assert {key["kid"] for key in (await other.jwks()).keys} == after, "the tokens of the first key have expired"


async def test_an_administrator_replaces_the_keys_and_only_sessions_survive(
    rooms: Rooms, here: Site, clock: ManualClock
) -> None:
    async with two_processes(rooms, here) as (one, other):
        signed_in = await registered(one)
        ada, old = await caller_with(one, signed_in.access_token), one.access.keys.current().kid
        bob = (await one.register(ANYONE, NewAccount("bob@example.com", PASSWORD))).signed_in
        assert bob is not None
        with pytest.raises(Forbidden):
            await one.replace_signing_keys(await caller_with(one, bob.access_token))

        async with feed_of(other) as feed:
            await one.replace_signing_keys(ada)
            news = await feed.next()

        await eventually(lambda: other.access.keys.current().kid != old)
        assert (news.kind, news.id) == (RevokedKind.SIGNING_KEY, old)
        for process in (one, other):
            assert not (await process.verify(signed_in.access_token)).valid
            assert old not in {key["kid"] for key in (await process.jwks()).keys}
        refreshed = await other.refresh(ANYONE, signed_in.refresh_token)
        assert (await one.verify(refreshed.access_token)).valid

        clock.advance(600)
        with pytest.raises(ReauthenticationRequired):
            await one.replace_signing_keys(ada)


async def test_a_process_accepts_a_key_that_another_process_made_a_moment_ago(rooms: Rooms, here: Site) -> None:
    async with two_processes(rooms, here) as (one, other):
        signed_in = await registered(one)
        apart = keys_of(one)
        await apart.open()
        await other.stores.db.execute("UPDATE signing_keys SET signs_from = signs_from - interval '1 day'")
        await apart.keep()
        await other.stores.db.execute("UPDATE signing_keys SET signs_from = signs_from - interval '1 day'")
        await one.access.keys.load()

        refreshed = await one.refresh(ANYONE, signed_in.refresh_token)

        assert (await other.verify(refreshed.access_token)).valid
