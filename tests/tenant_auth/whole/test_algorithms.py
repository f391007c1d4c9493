"""A project changes the algorithm of its tokens with the real BunKMS. Clients and servers notice nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bunbase.bunkms.module import MODULE as BUNKMS
from bunbase.contracts.bunkms import Kms, SigningAlgorithm
from bunbase.contracts.caller import Role
from bunbase.contracts.revocations import RevokedKind
from bunbase.contracts.tenant_auth.settings import ProjectAuth, TokenSettings
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.jwt import Verifier, unverified_header
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.store.settings import StoredSettings
from tests.rooms import member_caller, opened, site
from tests.tenant_auth.people import AT_BAKERY, BAKERY, signed_up


async def test_every_cache_knows_a_new_key_before_it_signs_and_the_old_tokens_stay_valid(
    tmp_path: Path, database_url: str, clock: ManualClock
) -> None:
    here, used = site(tmp_path, database_url, clock), []
    async with opened(BUNKMS, Rooms(), here) as kms, opened(MODULE, Rooms({Kms: kms}), here) as room:
        await kms.create_keys(BAKERY)
        signed_in = await signed_up(room)
        for version, algorithm in enumerate((SigningAlgorithm.ES256, SigningAlgorithm.EDDSA, SigningAlgorithm.RS256)):
            changed = StoredSettings(ProjectAuth(tokens=TokenSettings(algorithm=algorithm)), version=version)
            assert await room.stores.settings.replace(BAKERY, changed, clock.now())
            room.pools.cache.known.drop(BAKERY)
            signed_in = await room.refresh(AT_BAKERY, signed_in.refresh_token)
            before, keys = signed_in.access_token, (await room.jwks(BAKERY)).keys
            clock.advance(149)
            old = await room.refresh(AT_BAKERY, signed_in.refresh_token)
            clock.advance(2)

            answers = await asyncio.gather(*(room.refresh(AT_BAKERY, old.refresh_token) for _ in range(5)))

            signed_in = answers[0]
            for token in (before, old.access_token, *[answer.access_token for answer in answers]):
                assert Verifier(keys, clock.now().timestamp).claims(token, aud=BAKERY)["sub"] == signed_in.user.id
            used += [unverified_header(token)["alg"] for token in (old.access_token, signed_in.access_token)]

    assert used == ["RS256", "ES256", "ES256", "EdDSA", "EdDSA", "RS256"]


async def test_keys_rotate_by_age_and_by_command_under_load_and_nobody_is_signed_out(
    tmp_path: Path, database_url: str, clock: ManualClock
) -> None:
    """The test has a server that reads the keys once in 150 s, and the tokens of every minute of two rotations."""
    here, ada, kids = site(tmp_path, database_url, clock), member_caller(BAKERY), []
    async with opened(BUNKMS, Rooms(), here) as kms, opened(MODULE, Rooms({Kms: kms}), here) as room:
        await kms.create_keys(BAKERY)
        signed_in = await signed_up(room)
        for rotates in ("by age", "by command"):
            if rotates == "by age":
                clock.advance(90 * 86400)
                room.access.young.clear()  # This acts as an hour of the real clock does.
                signed_in = await signed_up(room, email="ann@example.com")
            else:
                before = len((await room.jwks(BAKERY)).keys)
                rotated = await asyncio.gather(*(room.rotate_user_keys(ada, now=False) for _ in range(3)))
                assert {len(one.kids) for one in rotated} == {before + 1}, "commands at once make one key"
            keys, read_at = (await room.jwks(BAKERY)).keys, clock.now()
            for _ in range(6):
                clock.advance(60)
                answers = await asyncio.gather(*(room.refresh(AT_BAKERY, signed_in.refresh_token) for _ in range(3)))
                kids.append(unverified_header(answers[0].access_token)["kid"])
                for token in (signed_in.access_token, *(answer.access_token for answer in answers)):
                    assert Verifier(keys, clock.now().timestamp).claims(token, aud=BAKERY, type="user")
                if (clock.now() - read_at).total_seconds() >= 149:
                    keys, read_at = (await room.jwks(BAKERY)).keys, clock.now()
                signed_in = answers[0]

    assert len(set(kids)) == 3
    assert kids == sorted(kids, key=kids.index), "no key signs again after the next one"


async def test_keys_that_are_replaced_now_end_access_tokens_and_leave_sessions(
    tmp_path: Path, database_url: str, clock: ManualClock
) -> None:
    here = site(tmp_path, database_url, clock)
    async with opened(BUNKMS, Rooms(), here) as kms, opened(MODULE, Rooms({Kms: kms}), here) as room:
        await kms.create_keys(BAKERY)
        signed_in = await signed_up(room)
        stolen = unverified_header(signed_in.access_token)["kid"]
        feed = room.revocations()
        assert (await anext(feed)).kind is RevokedKind.READY

        replaced = await room.rotate_user_keys(member_caller(BAKERY), now=True)

        assert (replaced.ended, len(replaced.kids)) == ((stolen,), 1)
        assert stolen not in replaced.kids
        told = (one.id async for one in feed if one.kind is RevokedKind.SIGNING_KEY)
        assert [await anext(told), await anext(told)] == [stolen] * 2, "before and after the replacement"
        refreshed = await room.refresh(AT_BAKERY, signed_in.refresh_token)
        assert unverified_header(refreshed.access_token)["kid"] == replaced.kids[0]
        again = await room.rotate_user_keys(member_caller(BAKERY), now=True)
        repeated = await room.refresh(AT_BAKERY, signed_in.refresh_token)  # The answer to the first refresh was lost.
        assert unverified_header(repeated.access_token)["kid"] == again.kids[0]
        assert repeated.refresh_token == refreshed.refresh_token
        with pytest.raises(Forbidden):
            await room.rotate_user_keys(member_caller(BAKERY, Role.DEVELOPER), now=True)
