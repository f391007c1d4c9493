"""Check secrets that people choose. If a secret is too weak, the process does not start."""

from __future__ import annotations

from typing import Final

from bunbase.pkg.errors import CannotStart

MIN_BYTES: Final = 32
MIN_DIFFERENT: Final = 8  # One in 900,000 texts of 32 random hexadecimal digits has fewer different digits.
HOW_TO_MAKE_ONE: Final = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'


def check_secret(name: str, secret: str) -> None:
    """Refuse a secret that could be guessed. `name`: the name of the setting, for the message.

    The length counts the bytes of the text in UTF-8, without white space at its ends. Hexadecimal or base64 text is not
    decoded first. Raises: CannotStart.
    """
    size = len(secret.strip().encode())
    if size < MIN_BYTES:
        raise CannotStart(f"{name} has {size} bytes, but it needs at least {MIN_BYTES}; {HOW_TO_MAKE_ONE}")
    if len(set(secret)) < MIN_DIFFERENT:
        raise CannotStart(f"{name} repeats a few characters, so it could be guessed; {HOW_TO_MAKE_ONE}")
