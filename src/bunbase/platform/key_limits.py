"""Check the limits of a new or changed key. Pure functions."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import UNSET

from bunbase.contracts.acts import within
from bunbase.contracts.caller import CallerKind
from bunbase.contracts.keys import KeyChanges, KeyLimits
from bunbase.contracts.scopes import checked_scopes
from bunbase.pkg.errors import InvalidInput

MAX_ORIGINS: Final = 50
LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
PORT: Final = r"(?::[1-9][0-9]{0,4})?"
EXACT: Final = re.compile(rf"https?://(?:{LABEL}(?:\.{LABEL})*|\[[0-9a-f:.]{{2,45}}\]){PORT}")
ANY_SUBDOMAIN: Final = re.compile(rf"https?://\*(?:\.{LABEL}){{2,}}{PORT}")
MAX_LENGTH: Final = 300


def checked_limits(kind: CallerKind, limits: KeyLimits) -> KeyLimits:
    """Return the limits in their normal form. Raises: InvalidInput."""
    if kind is CallerKind.PUBLISHABLE:
        if limits.scopes is not None or limits.allow_browser:
            raise InvalidInput.at("/scopes", "Only secret keys have scopes and allow_browser. Rules limit this key.")
        return KeyLimits(origins=_origins(limits.origins))
    if limits.origins:
        raise InvalidInput.at("/origins", "Only publishable keys have origins. Browsers must not have secret keys.")
    scopes = None if limits.scopes is None else checked_scopes(limits.scopes)
    return KeyLimits(scopes=scopes, allow_browser=limits.allow_browser)


def changed_limits(kind: CallerKind, old: KeyLimits, changes: KeyChanges) -> KeyLimits:
    """Return the limits of a key after the changes. Raises: InvalidInput."""
    sent = {
        name: value for name in ("scopes", "origins", "allow_browser") if (value := getattr(changes, name)) is not UNSET
    }
    new = checked_limits(kind, msgspec.structs.replace(old, **sent))
    if old.scopes is not None and (new.scopes is None or not within(new.scopes, old.scopes)):
        raise InvalidInput.at("/scopes", "The scopes of a key can only become narrower. Create another key instead.")
    return new


def _origins(sent: tuple[str, ...]) -> tuple[str, ...]:
    found = sorted({origin.strip().lower().removesuffix("/") for origin in sent})
    if len(found) > MAX_ORIGINS:
        raise InvalidInput.at("/origins", f"A key has at most {MAX_ORIGINS} origins.")
    for origin in found:
        if len(origin) > MAX_LENGTH or not (EXACT.fullmatch(origin) or ANY_SUBDOMAIN.fullmatch(origin)):
            raise InvalidInput.at(
                "/origins", f"{origin[:80]!r} is no origin: write https://app.example.com or https://*.example.com."
            )
    return tuple(found)
