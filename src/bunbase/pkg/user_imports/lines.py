"""Functions that all readers share: times, truth values, identities and roles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

Record = Mapping[str, Any]
Line = dict[str, Any]

# The names of services in BunBase, by the names in other systems.
PROVIDERS: Final = {
    "google.com": "google",
    "github.com": "github",
    "apple.com": "apple",
    "facebook.com": "facebook",
    "twitter.com": "twitter",
    "azure": "microsoft",
}


class CannotRead(ValueError):
    """The record or the file does not have the form that the system writes. The message describes the fault."""


def line_of(**fields: Any) -> Line:
    """Return a line without the fields that are unknown."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def role_in(claims: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Return the role in the claims, and the other claims. In BunBase, a role has its own field."""
    role = claims.get("role")
    if not isinstance(role, str):
        return None, claims
    return role, {name: value for name, value in claims.items() if name != "role"}


def identity(provider: str, subject: Any, email: Any = None) -> Line:
    return line_of(provider=PROVIDERS.get(provider, provider), subject=str(subject), email=email)


def milliseconds(text: Any) -> str | None:
    """Return a time of Firebase, which counts milliseconds since 1970, often as a text. Raises: CannotRead."""
    if text in (None, ""):
        return None
    try:
        return datetime.fromtimestamp(int(text) / 1000, UTC).isoformat()
    except (ValueError, OverflowError, OSError, TypeError):
        raise CannotRead(f"{str(text)[:40]!r} is not a time in milliseconds.") from None


def moment(text: Any) -> str | None:
    """Return a time of PostgreSQL or PocketBase, such as `2024-01-02 03:04:05.678+00`. Raises: CannotRead."""
    if text in (None, ""):
        return None
    try:
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        raise CannotRead(f"{str(text)[:40]!r} is not a time.") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def truth(value: Any) -> bool:
    """Return a boolean from the form that JSON, CSV, PostgreSQL or SQLite uses."""
    return value is True or str(value).lower() in ("true", "t", "1", "yes")


def object_in(value: Any) -> dict[str, Any]:
    """Return an object that may be written as JSON in a text. Raises: CannotRead."""
    if value in (None, ""):
        return {}
    try:
        found = msgspec.json.decode(value) if isinstance(value, str) else value
    except msgspec.DecodeError:
        raise CannotRead(f"{value[:40]!r} is not JSON.") from None
    if not isinstance(found, dict):
        raise CannotRead(f"{str(value)[:40]!r} is not an object.")
    return found
