"""What may be kept about users: by themselves (`data`), and by the project's servers (`role`, `claims`)."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from bunbase.pkg.errors import InvalidInput

MAX_DATA_BYTES: Final = 16 << 10
MAX_CLAIMS_BYTES: Final = 1 << 10  # they travel with every request; twice that and an address still make a good token
MAX_CLAIMS: Final = 32
MAX_LEVELS: Final = 32  # as deep as a document
ROLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
RESERVED: Final = frozenset(
    ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "ver", "type", "role", "email", "claims")
)


def check_data(data: dict[str, Any]) -> None:
    """Raises: InvalidInput when `data` is too deep, too long as JSON, or has numbers that are too large."""
    _check_size("data", data, MAX_DATA_BYTES, "keep more in a collection")


def check_claims(claims: dict[str, Any]) -> None:
    """Raises: InvalidInput when there are too many, they are too long, or one is called like what tokens say anyway."""
    if len(claims) > MAX_CLAIMS:
        raise _invalid("claims", f"There are at most {MAX_CLAIMS} claims.")
    if taken := sorted(RESERVED & claims.keys()):
        raise _invalid("claims", f"Tokens have {', '.join(taken)} already; choose another name.")
    _check_size("claims", claims, MAX_CLAIMS_BYTES, "every token carries them; keep more in `data` or a collection")


def check_role(role: str) -> None:
    """Raises: InvalidInput."""
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
    """Rooms in other processes hear of users in MessagePack, which has no larger numbers."""
    try:
        msgspec.msgpack.encode(value)
    except OverflowError:
        return True
    return False


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput.at(f"/{name}", message)
