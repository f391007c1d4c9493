"""Check secrets that people choose. If a secret is too short, the process does not start."""

from __future__ import annotations

from typing import Final

from bunbase.pkg.errors import CannotStart

MIN_BYTES: Final = 32
MIN_DIFFERENT: Final = 8  # 32 random hexadecimal digits hold fewer than 8 different ones once in 900,000 draws
HOW_TO_MAKE_ONE: Final = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'


def check_secret(name: str, secret: str) -> None:
    """Refuse a secret that could be guessed. `name`: the setting, for the message.

    The length is that of the text in UTF-8, without white space around it. The text is never decoded, for example as
    hexadecimal digits. Raises: CannotStart.
    """
    size = len(secret.strip().encode())
    if size < MIN_BYTES:
        raise CannotStart(f"{name} has {size} bytes, and at least {MIN_BYTES} are needed; {HOW_TO_MAKE_ONE}")
    if len(set(secret)) < MIN_DIFFERENT:
        raise CannotStart(f"{name} repeats a few characters and could be guessed; {HOW_TO_MAKE_ONE}")
