"""argon2i and argon2id with parameters that another system chose."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bunbase.pkg.password_hashes.base64_forms import hash_of, salt_of
from bunbase.pkg.password_hashes.limits import MAX_ARGON2_LANES, MAX_ARGON2_MEMORY, MAX_ARGON2_WORK, UnusableHash

FORM: Final = re.compile(
    r"\$argon2id?\$(?:v=(?:16|19)\$)?m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,9})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
MIN_SALT: Final = 8  # bytes; the library refuses less
CHECKER: Final = PasswordHasher()


class Argon2Hash(msgspec.Struct, frozen=True):
    text: str

    def matches(self, password: str) -> bool:
        try:
            return CHECKER.verify(self.text, password)
        except (VerificationError, InvalidHashError):
            return False


def read_argon2(text: str) -> Argon2Hash:
    """Raises: UnusableHash."""
    found = FORM.fullmatch(text)
    if found is None:
        raise UnusableHash("An argon2 hash has the form $argon2id$v=19$m=19456,t=2,p=1$salt$hash.")
    memory, rounds, lanes = int(found[1]), int(found[2]), int(found[3])
    if not 1 <= lanes <= MAX_ARGON2_LANES or memory < 8 * lanes or rounds < 1:
        raise UnusableHash(f"argon2 has 1 to {MAX_ARGON2_LANES} lanes (p), a round (t), and 8 KiB (m) for each lane.")
    if memory > MAX_ARGON2_MEMORY or memory * rounds > MAX_ARGON2_WORK:
        raise UnusableHash(
            f"argon2 uses at most {MAX_ARGON2_MEMORY} KiB of memory (m), and at most {MAX_ARGON2_WORK} KiB in all its "
            "rounds (m times t)."
        )
    if len(salt_of(found[4])) < MIN_SALT:
        raise UnusableHash(f"A salt of argon2 has at least {MIN_SALT} bytes.")
    hash_of(found[5])
    return Argon2Hash(text)
