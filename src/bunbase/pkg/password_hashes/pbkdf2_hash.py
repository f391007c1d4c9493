"""PBKDF2 (RFC 8018) with HMAC of SHA-1, SHA-256 or SHA-512."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

import msgspec

from bunbase.pkg.password_hashes.base64_forms import encoded, hash_of, salt_of
from bunbase.pkg.password_hashes.limits import MAX_PBKDF2_ITERATIONS, UnusableHash

# `i=` and `l=` belong to the PHC format. passlib writes only the number, and no digest for SHA-1.
FORM: Final = re.compile(r"\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?([0-9]{1,9})(?:,l=[0-9]{1,3})?\$([^$]*)\$([^$]+)")


class Pbkdf2Hash(msgspec.Struct, frozen=True):
    """`digest`: the name of the digest in `hashlib`."""

    digest: str
    iterations: int
    salt: bytes
    hash: bytes

    def matches(self, password: str) -> bool:
        made = hashlib.pbkdf2_hmac(self.digest, password.encode(), self.salt, self.iterations, len(self.hash))
        return hmac.compare_digest(made, self.hash)

    @property
    def text(self) -> str:
        return f"$pbkdf2-{self.digest}$i={self.iterations}${encoded(self.salt)}${encoded(self.hash)}"


def read_pbkdf2(text: str) -> Pbkdf2Hash:
    """Read a hash. Raises: UnusableHash."""
    found = FORM.fullmatch(text)
    if found is None:
        raise UnusableHash(
            "A PBKDF2 hash has the form $pbkdf2-sha256$i=600000$salt$hash; the digest is sha1, sha256 or sha512."
        )
    return checked_pbkdf2(Pbkdf2Hash(found[1] or "sha1", int(found[2]), salt_of(found[3]), hash_of(found[4])))


def checked_pbkdf2(hash: Pbkdf2Hash) -> Pbkdf2Hash:
    """Return the hash after a check of its cost. Raises: UnusableHash."""
    blocks = -(-len(hash.hash) // hashlib.new(hash.digest).digest_size)  # Each block takes all iterations.
    if hash.iterations < 1 or hash.iterations * blocks > MAX_PBKDF2_ITERATIONS:
        raise UnusableHash(
            f"PBKDF2 has at most {MAX_PBKDF2_ITERATIONS} iterations, for all blocks of its hash together."
        )
    return hash
