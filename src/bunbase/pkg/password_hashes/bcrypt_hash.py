"""bcrypt, as Supabase, PocketBase and Auth0 use it."""

from __future__ import annotations

import re
from typing import Final

import bcrypt
import msgspec

from bunbase.pkg.password_hashes.limits import MAX_BCRYPT_COST, MIN_BCRYPT_COST, UnusableHash

FORM: Final = re.compile(r"(\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21})([./A-Za-z0-9])([./A-Za-z0-9]{30})([./A-Za-z0-9])")
LETTERS: Final = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SALT_BITS: Final = 0b110000  # These bits of the last letter of the salt are used, because the salt has 16 bytes.
HASH_BITS: Final = 0b111100  # These bits of the last letter of the hash are used, because the hash has 23 bytes.
USED_BYTES: Final = 72  # bcrypt ignores all further bytes of a password.


class BcryptHash(msgspec.Struct, frozen=True):
    text: str

    def matches(self, password: str) -> bool:
        return bcrypt.checkpw(password.encode()[:USED_BYTES], self.text.encode())


def read_bcrypt(text: str) -> BcryptHash:
    """Read a hash. Raises: UnusableHash."""
    found = FORM.fullmatch(text)
    if found is None:
        raise UnusableHash("A bcrypt hash begins with $2a$, $2b$ or $2y$, and has 60 characters.")
    if not MIN_BCRYPT_COST <= int(found[2]) <= MAX_BCRYPT_COST:
        raise UnusableHash(f"The cost of bcrypt is {MIN_BCRYPT_COST} to {MAX_BCRYPT_COST}.")
    # This sets the unused bits to 0. Other libraries ignore these bits, but our library refuses other values.
    head, salt_end, hash, hash_end = found[1], found[3], found[4], found[5]
    return BcryptHash(f"{head}{_with_bits(salt_end, SALT_BITS)}{hash}{_with_bits(hash_end, HASH_BITS)}")


def _with_bits(letter: str, bits: int) -> str:
    return LETTERS[LETTERS.index(letter) & bits]
