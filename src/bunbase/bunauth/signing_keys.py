"""BunAuth's signing keys. They are made once per installation, sealed by BunKMS for storage, and held in memory."""

from __future__ import annotations

import asyncio
from typing import Final

from bunbase.bunauth.store.signing_keys import SealedKey, SigningKeyStore
from bunbase.contracts.bunkms import INSTANCE, Kms
from bunbase.pkg.clock import Clock
from bunbase.pkg.jwt import SigningKey, new_private_key

CONTEXT: Final = "bunauth:signing-key"  # the context of the sealed keys; their owner is the instance


async def load_signing_keys(store: SigningKeyStore, kms: Kms, clock: Clock) -> list[SigningKey]:
    """Return the keys, newest first. The first process that calls this makes the first key."""
    await kms.create_keys(INSTANCE)
    if not await store.newest_first():
        private = await asyncio.to_thread(new_private_key)
        sealed = await kms.seal(INSTANCE, CONTEXT, private)
        await store.add_first(SealedKey(SigningKey(private).kid, sealed, clock.now()))
    return [SigningKey(await kms.unseal(INSTANCE, CONTEXT, key.sealed)) for key in await store.newest_first()]
