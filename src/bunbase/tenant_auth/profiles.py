"""Checks of the fields of users: `data`, which users write themselves, and `role` and `claims`, which servers write."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from bunbase.pkg.errors import InvalidInput

MAX_DATA_BYTES: Final = 16 << 10
MAX_CLAIMS_BYTES: Final = 1 << 10  # every request carries them; twice as much and an address still fit into a token
MAX_CLAIMS: Final = 32
MAX_LEVELS: Final = 32  # the same as for a document
ROLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
RESERVED: Final = frozenset(
    ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "ver", "type", "role", "email", "claims")
)


def check_data(data: dict[str, Any]) -> None:
    """Raises: InvalidInput, if `data` is nested too deeply, too long as JSON, or has numbers that are too large."""
    _check_size("data", data, MAX_DATA_BYTES, "keep more in a collection")


def check_claims(claims: dict[str, Any]) -> None:
    """Raises: InvalidInput, if there are too many claims, they are too long, or a name is one that tokens use."""
    if len(claims) > MAX_CLAIMS:
        raise _invalid("claims", f"There are at most {MAX_CLAIMS} claims.")
    if taken := sorted(RESERVED & claims.keys()):
        raise _invalid("claims", f"Tokens have {', '.join(taken)} already; choose another name.")
    _check_size("claims", claims, MAX_CLAIMS_BYTES, "every token carries them; keep more in `data` or a collection")


def check_role(role: str) -> None:
    """Raises: InvalidInput, if the role is not a valid name."""
    if ROLE.fullmatch(role) is None:
        raise _invalid("role", "A role is a letter and at most 63 more letters, digits, - and _, such as editor.")


def _check_size(name: str, value: dict[str, Any], max_bytes: int, instead: str) -> None:
    if _deeper_than(MAX_LEVELS, value):
        raise _invalid(name, f"`{name}` has at most {MAX_LEVELS} levels.")
    if _cannot_travel(value):
        raise _invalid(name, f"Whole numbers in `{name}` have at most 64 bits.")
    if len(msgspec.json.encode(value)) > max_bytes:
        raise _invalid(name, f"`{name}` has at most {max_bytes} bytes of JSON; {instead}.")


def _deeper_than(levels: int, value: Any) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(levels - 1, one) for one in inner)


def _cannot_travel(value: dict[str, Any]) -> bool:
    """Return whether MessagePack cannot hold a number in the value. Other processes get users in MessagePack."""
    try:
        msgspec.msgpack.encode(value)
    except OverflowError:
        return True
    return False


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput.at(f"/{name}", message)
