"""Check the fields of users: `data`, which users write themselves, and `role` and `claims`, which servers write."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from bunbase.pkg.control_characters import holds_control
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.languages import is_language

MAX_DATA_BYTES: Final = 16 << 10
# Every request carries the claims. Twice this size and an address still fit into a token.
MAX_CLAIMS_BYTES: Final = 1 << 10
# A token with 4 KiB of claims has at most 7,700 characters. `Bearer` and such a token fit into a header line of 8 KiB,
# which is the limit of nginx and others, and BunBase's own limit for a token. `test_access_tokens.py` makes the longest
# token.
MAX_TOKEN_CLAIMS_BYTES: Final = 4 << 10
MAX_CLAIMS: Final = 32
MAX_NAME: Final = 200
MAX_LEVELS: Final = 32  # Values nest at most this deeply, as in a document.
ROLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
RESERVED: Final = frozenset(
    [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "sid",
        "gen",
        "ver",
        "type",
        "role",
        "email",
        "claims",
        "aal",
        "amr",
        "act",
    ]
)


def check_data(data: dict[str, Any]) -> None:
    """Check a user's `data`: levels of nesting, bytes of JSON, and size of numbers. Raises: InvalidInput."""
    _check_size("data", data, MAX_DATA_BYTES, "store more data in a collection")


def check_claims(claims: dict[str, Any]) -> None:
    """Check a user's claims: their number, their size as JSON, and that no claim has a standard name of tokens.

    Raises: InvalidInput.
    """
    _check_claim_names(claims)
    _check_size(
        "claims",
        claims,
        MAX_CLAIMS_BYTES,
        "every token carries the claims; store more data in `data` or in a collection",
    )


def check_added_claims(present: dict[str, Any], added: dict[str, Any]) -> None:
    """Check the claims that a hook adds to the claims of a token. Raises: InvalidInput."""
    _check_claim_names(added)
    _check_size(
        "claims",
        present | added,
        MAX_TOKEN_CLAIMS_BYTES,
        "this counts all claims of the token, and every request carries it; keep more data in a collection, and look "
        "it up in the rule",
    )


def check_name(name: str) -> None:
    """Check the name of a person. The name may be empty. Raises: InvalidInput."""
    if len(name) > MAX_NAME or holds_control(name):
        raise _invalid("name", f"A name has at most {MAX_NAME} characters, and no control characters.")


def checked_sign_in_name(email: str | None, phone: str | None) -> str:
    """Return the email address or phone number for a sign-in with a password.

    Raises: InvalidInput if both are missing.
    """
    name = email or phone
    if not name:
        raise _invalid(
            "password", "A sign-in with a password names an address or a phone number. Add one to this user first."
        )
    return name


def check_language(language: str) -> None:
    """Check a language tag. Raises: InvalidInput for a text that is neither empty nor a language tag."""
    if language and not is_language(language):
        raise _invalid("language", "Send the tag of a language, such as de or pt-BR.")


def check_role(role: str) -> None:
    """Check the name of a role. Raises: InvalidInput."""
    if ROLE.fullmatch(role) is None:
        raise _invalid(
            "role", "A role, such as editor, begins with a letter and has at most 64 letters, digits, - and _."
        )


def _check_claim_names(claims: dict[str, Any]) -> None:
    if len(claims) > MAX_CLAIMS:
        raise _invalid("claims", f"A user can have at most {MAX_CLAIMS} claims.")
    if taken := sorted(RESERVED & claims.keys()):
        raise _invalid("claims", f"Tokens use the name {', '.join(taken)} already; choose another name.")


def _check_size(name: str, value: dict[str, Any], max_bytes: int, instead: str) -> None:
    if _deeper_than(MAX_LEVELS, value):
        raise _invalid(name, f"`{name}` can have at most {MAX_LEVELS} levels.")
    if _cannot_travel(value):
        raise _invalid(name, f"Whole numbers in `{name}` can have at most 64 bits.")
    size = len(msgspec.json.encode(value))
    if size > max_bytes:
        raise _invalid(name, f"`{name}` can have at most {max_bytes} bytes of JSON, and this has {size}; {instead}.")


def _deeper_than(levels: int, value: Any) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(levels - 1, one) for one in inner)


def _cannot_travel(value: dict[str, Any]) -> bool:
    """True if the value contains a number that is too large for MessagePack, which carries users between processes."""
    try:
        msgspec.msgpack.encode(value)
    except OverflowError:
        return True
    return False


def _invalid(name: str, message: str) -> InvalidInput:
    return InvalidInput.at(f"/{name}", message)
