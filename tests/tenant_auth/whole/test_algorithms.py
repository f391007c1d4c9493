"""A project changes the algorithm of its tokens with the real BunKMS. No client and no server notices."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bunbase.bunkms.module import MODULE as BUNKMS
from bunbase.contracts.bunkms import Kms, SigningAlgorithm
from bunbase.contracts.tenant_auth.settings import ProjectAuth, TokenSettings
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.jwt import Verifier, unverified_header
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.store.settings import StoredSettings
from tests.rooms import opened, site
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
