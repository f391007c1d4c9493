"""argon2i and argon2id with parameters that another system chose."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bunbase.pkg.password_hashes.base64_forms import encoded, hash_of, salt_of
from bunbase.pkg.password_hashes.limits import (
    MAX_ARGON2_LANES,
    MAX_ARGON2_MEMORY,
    MAX_ARGON2_WORK,
    MIN_ARGON2_LANE,
    UnusableHash,
)

FORM: Final = re.compile(
    r"(\$argon2id?\$(?:v=(?:16|19)\$)?)m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})"
    r"\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
MIN_SALT: Final = 8  # A salt has at least this many bytes. The library refuses less.
CHECKER: Final = PasswordHasher()


class Argon2Hash(msgspec.Struct, frozen=True):
    text: str

    def matches(self, password: str) -> bool:
        try:
            return CHECKER.verify(self.text, password)
        except (VerificationError, InvalidHashError):
            return False


def read_argon2(text: str) -> Argon2Hash:
    """Read a hash. Raises: UnusableHash."""
    found = FORM.fullmatch(text)
    if found is None:
        raise UnusableHash("An argon2 hash has the form $argon2id$v=19$m=19456,t=2,p=1$salt$hash.")
    memory, rounds, lanes = int(found[2]), int(found[3]), int(found[4])
    if not 1 <= lanes <= MAX_ARGON2_LANES or memory < 8 * lanes or rounds < 1:
        raise UnusableHash(f"argon2 has 1 to {MAX_ARGON2_LANES} lanes (p), a round (t), and 8 KiB (m) for each lane.")
    if memory > MAX_ARGON2_MEMORY or work(memory, rounds, lanes) > MAX_ARGON2_WORK:
        raise UnusableHash(
            f"argon2 uses at most {MAX_ARGON2_MEMORY} KiB of memory (m), and at most {MAX_ARGON2_WORK} KiB in all its "
            f"rounds (m times t), in which each lane counts as {MIN_ARGON2_LANE} KiB or more."
        )
    salt, hash = salt_of(found[5]), hash_of(found[6])
    if len(salt) < MIN_SALT:
        raise UnusableHash(f"A salt of argon2 has at least {MIN_SALT} bytes.")
    # The text is written again, because the library refuses some spellings that other libraries accept, such as
    # m=019456.
    return Argon2Hash(f"{found[1]}m={memory},t={rounds},p={lanes}${_bare(salt)}${_bare(hash)}")


def work(memory: int, rounds: int, lanes: int) -> int:
    """Return the work of a check in KiB.

    This is the memory that the check fills, or more if starting its threads takes longer.
    """
    return rounds * (memory if lanes == 1 else max(memory, MIN_ARGON2_LANE * lanes))


def _bare(value: bytes) -> str:
    return encoded(value).rstrip("=")
