"""Recovery codes. If the phone is lost, each of them replaces a code of the authenticator app once.

A code has 80 random bits. So a fast hash is enough, as for all opaque secrets, because 2^80 codes cannot be tried. The
hash contains the owner, so that one guess cannot be compared with the codes of all accounts.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from bunbase.pkg.ids import CROCKFORD

COUNT: Final = 10
LENGTH: Final = 16  # A code has this many characters of 5 bits.
GROUP: Final = 4
# These letters look like digits (Crockford's base 32).
ALIKE: Final = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, " ": None})


def new_recovery_codes() -> tuple[str, ...]:
    """Return new codes such as `4fq0-9k2m-x7tz-c1hd`."""
    return tuple(_new_code() for _ in range(COUNT))


def recovery_hash(owner: str, code: str) -> bytes:
    """Return the hash that is stored for a code. Hyphens, spaces, case, and letters that look like digits do not
    matter.
    """
    normal = code.lower().translate(ALIKE)
    return hashlib.sha256(b"bunbase recovery code v1\0" + owner.encode() + b"\0" + normal.encode()).digest()


def _new_code() -> str:
    code = "".join(secrets.choice(CROCKFORD) for _ in range(LENGTH))
    return "-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP))
