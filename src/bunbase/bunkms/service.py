"""The service of BunKMS: it opens envelopes with the right key. After an owner's keys are destroyed, no envelope of
this owner can be opened.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from bunbase.bunkms import envelope, signing
from bunbase.bunkms.envelope import Sealed
from bunbase.bunkms.master_key import HOW_TO_MAKE_ONE
from bunbase.bunkms.message_codes import message_code
from bunbase.bunkms.store import KeyStore, KeyVersion, SigningKey
from bunbase.contracts.bunkms import (
    INSTANCE,
    DataKey,
    DecryptionFailed,
    KeyDestroyed,
    KeyNotFound,
    Mac,
    PublicKey,
    Signature,
    SigningAlgorithm,
)
from bunbase.pkg import metrics
from bunbase.pkg.cache import Cache
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import CannotStart, InvalidInput
from bunbase.pkg.ids import ID
from bunbase.pkg.logger import logger
from bunbase.pkg.secret_text import MIN_DIFFERENT

log = logger("bunkms")
counted = partial(metrics.counted, metrics.kms_ops)

MAX_SECRET_BYTES: Final = 64 << 10
MAX_MACS: Final = 1000
PRIVATE_KEYS: Final = 1000
PRIVATE_KEY_SECONDS: Final = 60.0  # keys are cached, because reading a key takes as long as signing with it

# the purposes of envelopes; an envelope authenticates its purpose, and is not accepted for another purpose
KEY_VERSION, SIGNING_KEY, DATA_KEY, SECRET = "key-version", "signing-key", "data-key", "secret"


# public keys are cached for 60 s in tenant-auth, and then again in programs that check tokens
PUBLISHED_BEFORE: Final = timedelta(seconds=150)
PUBLISHED_AFTER: Final = timedelta(hours=25)  # a token lives for at most a day, and one hour covers clocks that differ


class WrongMasterKey(CannotStart):
    """The master key does not open the stored keys, or is easy to guess."""


class KmsService:
    """Implements the contract.

    The service keeps the master key in memory, and signing keys for a minute. Callers may cache data keys for 15
    minutes. Each signature reads the rows of the owner's keys, so a key in memory signs only while its row is stored.
    """

    def __init__(self, store: KeyStore, master_key: bytes, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.master_key = master_key
        self.private_keys: Cache[tuple[str, str], object] = Cache(PRIVATE_KEYS, PRIVATE_KEY_SECONDS)  # by owner, kid

    async def prove_master_key(self) -> None:
        """Check that the master key opens the instance's keys.

        If these keys do not exist yet, check that the master key is not easy to guess.

        Raises: WrongMasterKey.
        """
        newest = await self.store.newest(INSTANCE)
        weak = len(set(self.master_key)) < MIN_DIFFERENT
        try:
            if newest is not None:
                self._unwrapped(INSTANCE, newest)
                if weak:  # only log that the master key is easy to guess, because the stored data must stay readable
                    log.error(
                        "the master key repeats a few bytes and is easy to guess: move the data to a new installation"
                    )
            elif weak:
                raise WrongMasterKey(f"the master key repeats a few bytes and is easy to guess; {HOW_TO_MAKE_ONE}")
        except DecryptionFailed:
            raise WrongMasterKey(
                "The stored keys were wrapped with another master key. Start the server with that master key."
            ) from None

    async def create_keys(self, owner: str) -> None:
        with counted("create_keys"):
            if not await self.store.add_owner(owner, self._wrapped_version(owner, 1)):
                await self._alive(owner)

    async def generate_data_key(self, owner: str, context: str) -> DataKey:
        with counted("generate_data_key"):
            key = envelope.new_key()
            return DataKey(key, await self._seal(owner, DATA_KEY, context, key))

    async def unwrap_data_key(self, owner: str, context: str, wrapped: str) -> bytes:
        with counted("unwrap_data_key"):
            return await self._unseal(owner, DATA_KEY, context, wrapped)

    async def rewrap_data_key(self, owner: str, context: str, wrapped: str) -> str:
        with counted("rewrap_data_key"):
            newest = await self._newest(owner)
            if envelope.parse_sealed(wrapped).version == newest.version:
                return wrapped
            return await self._seal(owner, DATA_KEY, context, await self._unseal(owner, DATA_KEY, context, wrapped))

    async def seal(self, owner: str, context: str, plaintext: bytes) -> str:
        with counted("seal"):
            if len(plaintext) > MAX_SECRET_BYTES:
                raise InvalidInput(
                    f"A secret can have at most {MAX_SECRET_BYTES} bytes. Encrypt larger data with a data key."
                )
            return await self._seal(owner, SECRET, context, plaintext)

    async def unseal(self, owner: str, context: str, sealed: str) -> bytes:
        with counted("unseal"):
            return await self._unseal(owner, SECRET, context, sealed)

    async def make_mac(self, owner: str, context: str, message: bytes) -> str:
        with counted("make_mac"):
            if len(message) > MAX_SECRET_BYTES:
                raise InvalidInput(
                    f"A message can have at most {MAX_SECRET_BYTES} bytes. Authenticate the hash of a larger message."
                )
            newest = await self._newest(owner)
            mac = message_code(self._unwrapped(owner, newest), owner, newest.version, context, message)
            return Sealed(newest.version, mac).text()

    async def check_macs(self, owner: str, macs: tuple[Mac, ...]) -> tuple[bool, ...]:
        with counted("check_macs"):
            if len(macs) > MAX_MACS:
                raise InvalidInput(f"A call can check at most {MAX_MACS} codes.")
            await self._newest(owner)  # raises if the keys are destroyed, because False would mean a wrong code
            keys: dict[int, bytes | None] = {}
            return tuple([await self._is_mac(owner, one, keys) for one in macs])

    async def sign(self, owner: str, message: bytes) -> Signature:
        with counted("sign"):
            key = (await self._signing_keys(owner))[0]
            private = self.private_keys.get((owner, key.kid))
            if private is None:
                unwrapped = envelope.decrypt(self.master_key, key.wrapped, SIGNING_KEY, owner, key.kid)
                private = signing.read_private_key(unwrapped)
                self.private_keys.put((owner, key.kid), private)
            return Signature(key.kid, signing.signed(private, message))

    async def public_keys(self, owner: str) -> tuple[PublicKey, ...]:
        with counted("public_keys"):
            return tuple([key.public() for key in await self._signing_keys(owner)])

    async def renew_signing_key(self, owner: str, algorithm: SigningAlgorithm, days: int | None = None) -> None:
        with counted("renew_signing_key"):
            await self._signing_keys(owner)  # this makes the first signing key, or raises if the owner has no keys
            known, now = await self.store.signing_keys(owner), self.clock.now()
            due = days is not None and bool(known) and known[0].signs_at + timedelta(days=days) <= now
            if not known or known[0].algorithm is not algorithm or due:
                published = {key.kid for key in published_keys(known, now)}
                old = [key.kid for key in known if key.kid not in published]
                await self.store.add_signing_key(
                    owner, await self._new_signing_key(owner, algorithm, now + PUBLISHED_BEFORE), known, old
                )

    async def replace_signing_keys(self, owner: str, algorithm: SigningAlgorithm) -> None:
        with counted("replace_signing_keys"):
            await self._signing_keys(owner)  # this raises if the owner has no keys
            new = await self._new_signing_key(owner, algorithm, self.clock.now())
            while True:
                known = await self.store.signing_keys(owner)
                if await self.store.add_signing_key(owner, new, known, [key.kid for key in known]):
                    return
                await self._alive(owner)  # if this passes, another process has added a key: delete that key too

    async def rotate(self, owner: str) -> int:
        with counted("rotate"):
            newest = await self._newest(owner)
            next = newest.version + 1
            if not await self.store.add_version(owner, self._wrapped_version(owner, next)):
                # this raises if the keys were destroyed meanwhile; otherwise, another process has added the same
                # version
                await self._alive(owner)
            return next

    async def destroy(self, owner: str) -> None:
        with counted("destroy"):
            await self.store.destroy(owner)

    async def bind_directory(self, room: str, directory: str, replaces: str) -> str:
        with counted("bind_directory"):
            if not all(re.fullmatch(ID, id) for id in (room, directory)):
                raise InvalidInput(
                    "The name of a room or a directory has at most 64 characters: lower-case letters, digits and _."
                )
            return await self.store.bind_directory(room, directory, replaces)

    async def _seal(self, owner: str, kind: str, context: str, plaintext: bytes) -> str:
        newest = await self._newest(owner)
        key = self._unwrapped(owner, newest)
        ciphertext = envelope.encrypt(key, plaintext, kind, owner, str(newest.version), context)
        return Sealed(newest.version, ciphertext).text()

    async def _unseal(self, owner: str, kind: str, context: str, text: str) -> bytes:
        sealed = envelope.parse_sealed(text)
        found = await self.store.version(owner, sealed.version)
        if found is None:
            await self._alive(owner)
            raise DecryptionFailed(f"{owner} has no key version {sealed.version}.")
        key = self._unwrapped(owner, found)
        return envelope.decrypt(key, sealed.ciphertext, kind, owner, str(sealed.version), context)

    async def _is_mac(self, owner: str, claimed: Mac, keys: dict[int, bytes | None]) -> bool:
        """True if the code is right.

        `keys`: the keys that were loaded so far, by version; None for a version that does not exist.
        """
        try:
            sealed = envelope.parse_sealed(claimed.mac)
        except DecryptionFailed:
            return False
        version = sealed.version
        if version not in keys:
            found = await self.store.version(owner, version)
            keys[version] = None if found is None else self._unwrapped(owner, found)
        key = keys[version]
        if key is None:
            return False
        mac = message_code(key, owner, version, claimed.context, claimed.message)
        return hmac.compare_digest(mac, sealed.ciphertext)

    async def _newest(self, owner: str) -> KeyVersion:
        newest = await self.store.newest(owner)
        if newest is None:
            await self._alive(owner)
            raise KeyNotFound(f"{owner} has no key.")
        return newest

    async def _signing_keys(self, owner: str) -> list[SigningKey]:
        """Return those keys of the owner that `published_keys` selects. The first call makes a key."""
        now = self.clock.now()
        if keys := await self.store.signing_keys(owner):
            return published_keys(keys, now)
        await self._alive(owner)
        first = await self._new_signing_key(owner, SigningAlgorithm.RS256, now)
        await self.store.add_signing_key(owner, first, [], [])
        # another process may have added a key first: all processes use the stored key
        keys = await self.store.signing_keys(owner)
        if not keys:
            raise KeyDestroyed(f"The keys of {owner} were destroyed.")
        return published_keys(keys, now)

    async def _new_signing_key(self, owner: str, algorithm: SigningAlgorithm, signs_at: datetime) -> SigningKey:
        new = await asyncio.to_thread(signing.new_signing_key, algorithm)
        public = new.public
        wrapped = envelope.encrypt(self.master_key, new.private, SIGNING_KEY, owner, public.kid)
        return SigningKey(public.kid, public.n, public.e, public.x, public.y, algorithm, wrapped, signs_at)

    async def _alive(self, owner: str) -> None:
        known = await self.store.owner(owner)
        if known is None:
            raise KeyNotFound(f"{owner} has no key.")
        if known.destroyed_at is not None:
            raise KeyDestroyed(f"The keys of {owner} were destroyed.")

    def _wrapped_version(self, owner: str, version: int) -> KeyVersion:
        key = envelope.new_key()
        return KeyVersion(version, envelope.encrypt(self.master_key, key, KEY_VERSION, owner, str(version)))

    def _unwrapped(self, owner: str, key: KeyVersion) -> bytes:
        return envelope.decrypt(self.master_key, key.wrapped, KEY_VERSION, owner, str(key.version))


def published_keys(keys: list[SigningKey], now: datetime) -> list[SigningKey]:
    """Return the keys to publish: first the key that signs now, then keys that sign next or that tokens may still need.

    `keys`: all keys, newest first.
    """
    at = next((at for at, key in enumerate(keys) if key.signs_at <= now), len(keys) - 1)
    older = [
        key for newer, key in zip(keys[at:], keys[at + 1 :], strict=False) if newer.signs_at + PUBLISHED_AFTER > now
    ]
    return [keys[at], *keys[:at], *older]
