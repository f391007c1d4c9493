"""Short codes that a person reads on one device and types on another (RFC 8628 §6.1)."""

from __future__ import annotations

import secrets
from typing import Final

# There are no vowels, so that a code is never a word. There are no digits, because they look like letters.
ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH: Final = 8  # 20^8 codes (34 bits) are enough for codes with a short lifetime and limited guesses.


def new_user_code() -> str:
    """Return a new code such as "WDJBMJHT"."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def shown(code: str) -> str:
    """Return the code as people see it: "WDJB-MJHT"."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def typed(text: str) -> str:
    """Return the code that a person has typed in any case, with or without dash and spaces; "" for other texts."""
    code = "".join(character for character in text[:100].upper() if character not in "- \t")
    return code if text.isascii() and len(code) == LENGTH and set(code) <= set(ALPHABET) else ""
