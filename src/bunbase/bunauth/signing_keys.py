"""BunAuth's signing keys, and their rotation. BunKMS seals the private keys for storage.

The life of one key:

1. The first process of an installation makes the first key, which signs immediately.
2. A day before a key has signed for `signing_key_days`, the job of one process stores the next key, with the time when
   it begins to sign. All processes load the next key within a minute and publish it (JWKS). Programs that check tokens
   fetch the public keys every five minutes, so all of them have the key before they receive a token signed with it.
3. At the stored time, every process begins to sign with the new key. The current key follows only from the stored times
   and the clock, so no process has to do anything. If a process is killed at any moment, no work is left unfinished.
4. The old key stays published until the last token that it has signed has expired. After that, BunAuth deletes the old
   key.

In an emergency, `replace_all` deletes all keys at once, including the next key, because a thief of one key has probably
seen both. Every process learns of this from the feed of revocations, and refuses tokens of the old keys. Sessions stay
open, and clients get new tokens with a refresh.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.signing_keys import SealedKey
from bunbase.contracts.bunauth.tokens import Jwks
from bunbase.contracts.bunkms import INSTANCE, Kms
from bunbase.pkg.clock import Clock
from bunbase.pkg.jwt import SigningKey, Verifier, new_private_key

CONTEXT: Final = "bunauth:signing-key"  # This is the context of the sealed keys. The owner of the keys is the instance.
AHEAD: Final = timedelta(days=1)  # A key is published this long before it signs.
SKEW: Final = timedelta(minutes=2)  # The clocks of two processes are expected to differ by at most this much.
REMEMBERED: Final = 1000
# A revocation is stored for this long. No process caches public keys for so long.
REVOKED_FOR: Final = timedelta(days=1)


class SigningKeys:
    """The keys in the memory of this process. `max_age`: the time for which a key signs."""

    def __init__(self, stores: Stores, kms: Kms, max_age: timedelta, clock: Clock) -> None:
        self.stores = stores
        self.kms = kms
        self.max_age = max_age
        self.ahead = min(AHEAD, max_age / 2)
        self.clock = clock
        self.rows: list[SealedKey] = []
        self.keys: dict[str, SigningKey] = {}
        self.loading = asyncio.Lock()
        self.verifier = Verifier(())
        self.jwks = Jwks(())

    async def open(self) -> None:
        """Load the keys. The first process that calls this makes the first key."""
        await self.kms.create_keys(INSTANCE)
        if not await self.stores.signing_keys.newest_first():
            first = await self._new_key(self.clock.now())
            async with self.stores.signing_keys.changing() as rows:
                if not rows:  # Otherwise another process, which was started at the same time, has made the key.
                    await self.stores.signing_keys.add(first)
        await self.load()

    async def load(self) -> None:
        """Read the stored keys. Forget keys that were deleted."""
        async with self.loading:  # An earlier read must not overwrite the result of a later read.
            await self._load()

    async def _load(self) -> None:
        rows = await self.stores.signing_keys.newest_first()
        keys = {row.kid: self.keys.get(row.kid) or await self._unsealed(row) for row in rows}
        self.rows = rows
        if keys.keys() != self.keys.keys():
            self.keys = keys
            self.jwks = Jwks(tuple(key.public_jwk() for key in keys.values()))
            self.verifier = Verifier(self.jwks.keys, lambda: self.clock.now().timestamp(), REMEMBERED)

    def current(self) -> SigningKey:
        """Return the key that signs at this time."""
        return self.keys[_current(self.rows, self.clock.now()).kid]

    async def keep(self) -> None:
        """Delete the keys whose tokens have all expired, store the next key when it is time, and load all keys.

        Every process calls this every minute. Idempotent.
        """
        store, now = self.stores.signing_keys, self.clock.now()
        rows = await store.newest_first()
        over = await self._over(rows, now)
        if over or self._needs_next(rows, now):
            new = await self._new_key(now) if self._needs_next(rows, now) else None
            async with store.changing() as rows:
                await store.delete(await self._over(rows, now))
                if new is not None and self._needs_next(rows, now):
                    await store.add(_signing_from(new, self._next_start(rows, now)))
        await self.load()

    async def replace_all(self) -> None:
        """Make a new key, which signs immediately. Revoke all other keys with their tokens."""
        now = self.clock.now()
        lifetime = timedelta(seconds=await self.stores.lifetimes.longest_seconds())
        new = await self._new_key(now)
        async with self.stores.signing_keys.changing() as rows:
            until = now + max(lifetime + SKEW, REVOKED_FOR)
            await self.stores.signing_keys.revoke([row.kid for row in rows], until.timestamp())
            await self.stores.signing_keys.add(new)
        await self.load()

    def _needs_next(self, rows: list[SealedKey], now: datetime) -> bool:
        waits = any(row.signs_from > now for row in rows)
        return not waits and now >= _current(rows, now).signs_from + self.max_age - self.ahead

    def _next_start(self, rows: list[SealedKey], now: datetime) -> datetime:
        return max(now + self.ahead, _current(rows, now).signs_from + self.max_age)

    async def _over(self, rows: list[SealedKey], now: datetime) -> list[str]:
        """Return the keys whose successor has signed for longer than the lifetime of a token. `rows`: newest first."""
        lifetime = timedelta(seconds=await self.stores.lifetimes.longest_seconds()) + SKEW
        pairs = pairwise(rows)
        return [older.kid for newer, older in pairs if newer.signs_from + lifetime <= now]

    async def _new_key(self, now: datetime) -> SealedKey:
        private = await asyncio.to_thread(new_private_key)
        sealed = await self.kms.seal(INSTANCE, CONTEXT, private)
        return SealedKey(SigningKey(private).kid, sealed, now, now)

    async def _unsealed(self, row: SealedKey) -> SigningKey:
        return SigningKey(await self.kms.unseal(INSTANCE, CONTEXT, row.sealed))


def _current(rows: list[SealedKey], now: datetime) -> SealedKey:
    """Return the newest key that may already sign. If the clock was set back, return the oldest key.

    `rows`: newest first.
    """
    return next((row for row in rows if row.signs_from <= now), rows[-1])


def _signing_from(key: SealedKey, start: datetime) -> SealedKey:
    return SealedKey(key.kid, key.sealed, key.created_at, start)
