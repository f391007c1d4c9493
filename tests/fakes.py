"""A fake of BunKMS that fulfils its contract in memory."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from contextvars import copy_context

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bunbase.bunkms.signing import PrivateKey, new_private_key, public_key, signed
from bunbase.contracts.bunkms import (
    DataKey,
    DecryptionFailed,
    KeyDestroyed,
    KeyNotFound,
    Mac,
    PublicKey,
    Signature,
    SigningAlgorithm,
)
from bunbase.pkg.errors import InvalidInput, Unreachable
from bunbase.pkg.ids import ID
from tests.rsa_keys import rsa_key

NONCE_BYTES = 12
MAX_SECRET_BYTES = 64 << 10
MAX_MACS = 1000


def in_transaction() -> bool:
    """True if this task is in a transaction of a `Database`, or was started in one."""
    return any(variable.name.endswith("_tx") and value is not None for variable, value in copy_context().items())


class FakeKms:
    """BunKMS without a database, with real AES-GCM and RS256.

    Keys are derived from `secret`, so that another FakeKms with the same secret opens what this one has wrapped.
    `lazy`: an owner is created by its first call. `reachable = False`: every call raises Unreachable.
    `calls`: the names of the methods called so far. BunKMS may be slow, so a call in a transaction fails.
    """

    def __init__(self, secret: bytes | None = None, lazy: bool = True) -> None:
        self.secret = secret or os.urandom(32)
        self.lazy = lazy
        self.reachable = True
        self.calls: list[str] = []
        self.versions: dict[str, int] = {}
        self.destroyed: set[str] = set()
        self.signing: dict[str, PrivateKey] = {}
        self.older: dict[str, tuple[PublicKey, ...]] = {}
        self.directories: dict[str, str] = {}

    async def create_keys(self, owner: str) -> None:
        self._called("create_keys")
        self._refuse_destroyed(owner)
        self.versions.setdefault(owner, 1)

    async def generate_data_key(self, owner: str, context: str) -> DataKey:
        self._called("generate_data_key")
        key = os.urandom(32)
        return DataKey(key, self._sealed(owner, f"data key/{context}", key))

    async def unwrap_data_key(self, owner: str, context: str, wrapped: str) -> bytes:
        self._called("unwrap_data_key")
        return self._unsealed(owner, f"data key/{context}", wrapped)

    async def rewrap_data_key(self, owner: str, context: str, wrapped: str) -> str:
        self._called("rewrap_data_key")
        if wrapped.startswith(f"bunkms:v{self._version(owner)}:"):
            return wrapped
        context = f"data key/{context}"
        return self._sealed(owner, context, self._unsealed(owner, context, wrapped))

    async def seal(self, owner: str, context: str, plaintext: bytes) -> str:
        self._called("seal")
        if len(plaintext) > MAX_SECRET_BYTES:
            raise InvalidInput("A secret is small; use a data key for more.")
        return self._sealed(owner, f"secret/{context}", plaintext)

    async def unseal(self, owner: str, context: str, sealed: str) -> bytes:
        self._called("unseal")
        return self._unsealed(owner, f"secret/{context}", sealed)

    async def make_mac(self, owner: str, context: str, message: bytes) -> str:
        self._called("make_mac")
        if len(message) > MAX_SECRET_BYTES:
            raise InvalidInput("A message is small; authenticate its hash.")
        return self._mac(owner, self._version(owner), context, message)

    async def check_macs(self, owner: str, macs: tuple[Mac, ...]) -> tuple[bool, ...]:
        self._called("check_macs")
        newest = self._version(owner)
        if len(macs) > MAX_MACS:
            raise InvalidInput("Too many at once.")
        return tuple(
            any(one.mac == self._mac(owner, version, one.context, one.message) for version in range(1, newest + 1))
            for one in macs
        )

    async def sign(self, owner: str, message: bytes) -> Signature:
        self._called("sign")
        return Signature(self._current_kid(owner), signed(self._signing_key(owner), message))

    async def public_keys(self, owner: str) -> tuple[PublicKey, ...]:
        self._called("public_keys")
        public = msgspec.structs.replace(public_key(self._signing_key(owner)), kid=self._current_kid(owner))
        return public, *self.older.get(owner, ())

    async def renew_signing_key(self, owner: str, algorithm: SigningAlgorithm, days: int | None = None) -> None:
        """Make a new key, which signs at once, because all processes already have it."""
        newest, *older = await self.public_keys(owner)
        self._called("renew_signing_key")
        if newest.alg is not algorithm or days == 0:  # Other keys of a fake are never old.
            self.older[owner] = (newest, *older)
            count = len(self.signing) + len(older) + 1
            self.signing[owner] = rsa_key(count) if algorithm is SigningAlgorithm.RS256 else new_private_key(algorithm)

    async def replace_signing_keys(self, owner: str, algorithm: SigningAlgorithm) -> None:
        self._called("replace_signing_keys")
        await self.renew_signing_key(owner, algorithm, 0)
        self.older.pop(owner)

    async def rotate(self, owner: str) -> int:
        self._called("rotate")
        self.versions[owner] = self._version(owner) + 1
        return self.versions[owner]

    async def destroy(self, owner: str) -> None:
        self._called("destroy")
        self.destroyed.add(owner)
        self.signing.pop(owner, None)
        self.older.pop(owner, None)

    async def bind_directory(self, room: str, directory: str, replaces: str) -> str:
        self._called("bind_directory")
        if not all(re.fullmatch(ID, id) for id in (room, directory)):
            raise InvalidInput("No such id.")
        if self.directories.setdefault(room, directory) == replaces:
            self.directories[room] = directory
        return self.directories[room]

    def _called(self, name: str) -> None:
        # the outbox delivers an event in the transaction that deletes it, so keys are destroyed in this transaction
        if name != "destroy" and in_transaction():
            raise AssertionError(f"{name} of BunKMS was called in a transaction, which keeps its locks meanwhile")
        self.calls.append(name)
        if not self.reachable:
            raise Unreachable("BunKMS cannot be reached.")

    def _refuse_destroyed(self, owner: str) -> None:
        if owner in self.destroyed:
            raise KeyDestroyed(f"The keys of {owner} were destroyed.")

    def _version(self, owner: str) -> int:
        self._refuse_destroyed(owner)
        if self.lazy:
            self.versions.setdefault(owner, 1)
        if owner not in self.versions:
            raise KeyNotFound(f"{owner} has no key.")
        return self.versions[owner]

    def _mac(self, owner: str, version: int, context: str, message: bytes) -> str:
        words = [self.secret, owner.encode(), b"%d" % version, context.encode(), message]
        code = hashlib.sha256(b"".join(b"%d:%b" % (len(word), word) for word in words)).digest()
        return f"bunkms:v{version}:{base64.b64encode(code).decode()}"

    def _sealed(self, owner: str, context: str, plaintext: bytes) -> str:
        version = self._version(owner)
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._key(owner, version).encrypt(nonce, plaintext, context.encode())
        return f"bunkms:v{version}:{base64.b64encode(sealed).decode()}"

    def _unsealed(self, owner: str, context: str, text: str) -> bytes:
        self._version(owner)
        try:
            _, version, encoded = text.split(":")
            sealed = base64.b64decode(encoded, validate=True)
            key = self._key(owner, int(version[1:]))
            return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
        except (ValueError, InvalidTag):
            raise DecryptionFailed from None

    def _key(self, owner: str, version: int) -> AESGCM:
        return AESGCM(hashlib.sha256(b"%b/%b/%d" % (self.secret, owner.encode(), version)).digest())

    def _current_kid(self, owner: str) -> str:
        return f"{owner}-{1 + len(self.older.get(owner, ()))}"

    def _signing_key(self, owner: str) -> PrivateKey:
        self._version(owner)
        if owner not in self.signing:
            self.signing[owner] = rsa_key(len(self.signing))
        return self.signing[owner]
