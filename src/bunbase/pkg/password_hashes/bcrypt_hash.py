"""bcrypt, as Supabase, PocketBase and Auth0 use it."""

from __future__ import annotations

import re
from typing import Final

import bcrypt
import msgspec

from bunbase.pkg.password_hashes.limits import MAX_BCRYPT_COST, MIN_BCRYPT_COST, UnusableHash

FORM: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
USED_BYTES: Final = 72  # bcrypt ignores all further bytes of a password


class BcryptHash(msgspec.Struct, frozen=True):
    text: str

    def matches(self, password: str) -> bool:
        return bcrypt.checkpw(password.encode()[:USED_BYTES], self.text.encode())


def read_bcrypt(text: str) -> BcryptHash:
    """Raises: UnusableHash."""
    found = FORM.fullmatch(text)
    if found is None:
        raise UnusableHash("A bcrypt hash begins with $2a$, $2b$ or $2y$, and has 60 characters.")
    if not MIN_BCRYPT_COST <= int(found[1]) <= MAX_BCRYPT_COST:
        raise UnusableHash(f"The cost of bcrypt is {MIN_BCRYPT_COST} to {MAX_BCRYPT_COST}.")
    return BcryptHash(text)
