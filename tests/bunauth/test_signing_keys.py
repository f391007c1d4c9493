from __future__ import annotations

import asyncio

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.signing_keys import load_signing_keys
from bunbase.bunauth.store.signing_keys import SigningKeyStore
from bunbase.contracts.bunkms import Kms
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import open_database
from bunbase.pkg.modules import Rooms, Site
from tests.bunauth.people import registered
from tests.rooms import opened


async def test_processes_that_start_at_once_use_one_signing_key(
    database_url: str, rooms: Rooms, clock: ManualClock
) -> None:
    async with open_database(database_url, "bunauth", "bunbase.bunauth.migrations") as db:
        store = SigningKeyStore(db)

        both = await asyncio.gather(*(load_signing_keys(store, rooms[Kms], clock) for _ in range(4)))

        assert len({key.kid for keys in both for key in keys}) == 1
        assert await db.value("SELECT count(*) FROM signing_keys") == 1


async def test_a_token_is_valid_in_another_process_and_after_a_restart(rooms: Rooms, here: Site) -> None:
    async with opened(MODULE, rooms, here) as one, opened(MODULE, rooms, here) as other:
        token = (await registered(one)).access_token

        assert (await other.verify(token)).valid

    async with opened(MODULE, rooms, here) as later:
        assert (await later.verify(token)).valid


async def test_the_private_key_is_stored_only_sealed_by_bunkms(
    database_url: str, rooms: Rooms, clock: ManualClock
) -> None:
    async with open_database(database_url, "bunauth", "bunbase.bunauth.migrations") as db:
        store = SigningKeyStore(db)

        await load_signing_keys(store, rooms[Kms], clock)

        (row,) = await store.newest_first()
        assert await rooms[Kms].unseal("instance", "bunauth:signing-key", row.sealed)
        assert await db.value("SELECT count(*) FROM information_schema.columns WHERE table_name = 'signing_keys'") == 3
