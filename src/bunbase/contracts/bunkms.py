"""BunKMS: keys and secrets.

An owner is a project id, or INSTANCE for the platform's own secrets. Each owner has one key-encryption key with
numbered versions, and signing keys. These keys never leave BunKMS.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Protocol

import msgspec

from bunbase.pkg.errors import Problem

INSTANCE = "instance"


class KeyNotFound(Problem):
    status, code, title = 404, "key_not_found", "There is no such key"


class KeyDestroyed(Problem):
    status, code, title = (
        410,
        "key_destroyed",
        "This key was destroyed; the data that it protected cannot be recovered",
    )


class DecryptionFailed(Problem):
    status, code, title = (
        422,
        "decryption_failed",
        "This ciphertext does not belong to this key, owner and context",
    )


class DataKey(msgspec.Struct, frozen=True):
    """`plaintext`: the 32 bytes of the key, which must never be stored.

    `wrapped`: the encrypted form to store, `bunkms:v<version>:<base64>`.
    """

    plaintext: bytes
    wrapped: str


class SigningAlgorithm(StrEnum):
    """The algorithms of signing keys (RFC 7518 §3, RFC 8037)."""

    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


KEY_TYPES: Final = {SigningAlgorithm.RS256: "RSA", SigningAlgorithm.ES256: "EC", SigningAlgorithm.EDDSA: "OKP"}
CURVES: Final = {SigningAlgorithm.ES256: "P-256", SigningAlgorithm.EDDSA: "Ed25519"}


class Signature(msgspec.Struct, frozen=True):
    """A signature in the form of a JWS (RFC 7515), and the id of the key that made it."""

    kid: str
    signature: bytes


class PublicKey(msgspec.Struct, frozen=True):
    """The public half of a signing key.

    `n`, `e`: the modulus and the exponent of an RSA key. `x`, `y`: the coordinates of a key on a curve.
    """

    kid: str
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""
    alg: SigningAlgorithm = SigningAlgorithm.RS256

    def jwk(self) -> dict[str, str]:
        """Return the key as a JWK (RFC 7517)."""
        known = {"kid": self.kid, "alg": self.alg.value, "use": "sig", "kty": KEY_TYPES[self.alg]}
        parts = {"crv": CURVES.get(self.alg, ""), "n": self.n, "e": self.e, "x": self.x, "y": self.y}
        return known | {name: value for name, value in parts.items() if value}


class Mac(msgspec.Struct, frozen=True):
    """A message and its authentication code (MAC), in the form that `make_mac` returns."""

    context: str
    message: bytes
    mac: str


class Kms(Protocol):
    async def create_keys(self, owner: str) -> None:
        """Create the owner's keys. Idempotent. Raises: KeyDestroyed."""
        ...

    async def generate_data_key(self, owner: str, context: str) -> DataKey:
        """Return a new data key, wrapped under the owner's newest key version and bound to `context`.

        Raises: KeyNotFound, KeyDestroyed.
        """
        ...

    async def unwrap_data_key(self, owner: str, context: str, wrapped: str) -> bytes:
        """Return the 32 bytes of a data key. Callers may keep the key for at most 15 minutes.

        Raises: KeyNotFound, KeyDestroyed, DecryptionFailed.
        """
        ...

    async def rewrap_data_key(self, owner: str, context: str, wrapped: str) -> str:
        """Return the same data key, wrapped under the owner's newest key version.

        If `wrapped` has the newest version already, return it unchanged, without decrypting it.
        Raises: KeyNotFound, KeyDestroyed, DecryptionFailed.
        """
        ...

    async def seal(self, owner: str, context: str, plaintext: bytes) -> str:
        """Encrypt a small secret (at most 64 KiB) for storage. Raises: KeyNotFound, KeyDestroyed."""
        ...

    async def unseal(self, owner: str, context: str, sealed: str) -> bytes:
        """Raises: KeyNotFound, KeyDestroyed, DecryptionFailed."""
        ...

    async def make_mac(self, owner: str, context: str, message: bytes) -> str:
        """Return the authentication code of a message (at most 64 KiB), in the form `bunkms:v<version>:<base64>`.

        The code is an HMAC-SHA256. The key of the code belongs to the owner's newest key version and has no other use.
        Raises: KeyNotFound, KeyDestroyed, InvalidInput.
        """
        ...

    async def check_macs(self, owner: str, macs: tuple[Mac, ...]) -> tuple[bool, ...]:
        """Return for each message whether its code is valid for this owner and the message's context.

        At most 1000 messages.

        Raises: KeyNotFound, KeyDestroyed, InvalidInput.
        """
        ...

    async def sign(self, owner: str, message: bytes) -> Signature:
        """Raises: KeyNotFound, KeyDestroyed."""
        ...

    async def public_keys(self, owner: str) -> tuple[PublicKey, ...]:
        """Return the key that signs now, then the keys that will sign later, then the keys of tokens that may still be
        valid.

        Raises: KeyNotFound, KeyDestroyed.
        """
        ...

    async def renew_signing_key(self, owner: str, algorithm: SigningAlgorithm, days: int | None = None) -> None:
        """Make a new signing key if the owner's newest key has another algorithm, or has signed for `days`.

        Idempotent. `public_keys` returns the new key at once, but the key signs only later, when everybody has read it.
        `public_keys` returns an older key until the last token that the key has signed has expired. Raises:
        KeyNotFound, KeyDestroyed.
        """
        ...

    async def replace_signing_keys(self, owner: str, algorithm: SigningAlgorithm) -> None:
        """Make a new signing key that signs at once, and delete all other signing keys, because one of them may be in
        the wrong hands.

        Raises: KeyNotFound, KeyDestroyed.
        """
        ...

    async def rotate(self, owner: str) -> int:
        """Add a key version, which all later wrapping and sealing uses. Return the number of the version."""
        ...

    async def destroy(self, owner: str) -> None:
        """Destroy all keys of the owner. This cannot be undone. Idempotent."""
        ...

    async def bind_directory(self, room: str, directory: str, replaces: str) -> str:
        """Bind `directory` to the room if no directory is bound, or if `replaces` is bound. Return the bound directory.

        The binding tells a room whether its files are on the right disk. The arguments are ids; `replaces` may be "".
        Raises: InvalidInput for an id that is not valid.
        """
        ...
