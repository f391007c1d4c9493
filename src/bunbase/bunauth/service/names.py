"""Check the name of an account or of a token."""

from __future__ import annotations

from typing import Final

from bunbase.pkg.errors import InvalidInput

MAX_NAME_LENGTH: Final = 100


def checked_name(name: str) -> str:
    """Return the name without leading and trailing spaces. The name may be empty. Raises: InvalidInput."""
    name = name.strip()
    if len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise invalid_name(f"A name has at most {MAX_NAME_LENGTH} printable characters.")
    return name


def invalid_name(message: str) -> InvalidInput:
    return InvalidInput.at("/name", message)
