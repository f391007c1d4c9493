"""Time zones in rules: names of the IANA database such as `Europe/Berlin`, and offsets such as `+02:00`."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from bunbase.pkg.rules.values import Failed

OFFSET: Final = re.compile(r"([+-]?)([01][0-9]|2[0-3]):([0-5][0-9])")
KEPT: Final = 700  # The cache holds this many zones. There are 600 names of zones.
MAX_CHARACTERS: Final = 64


def zone(name: Any) -> tzinfo:
    """Return the time zone. Raises: Failed."""
    found = _zone(name) if isinstance(name, str) and len(name) <= MAX_CHARACTERS else None
    if found is None:
        raise Failed('a time zone is a name such as "Europe/Berlin", or an offset such as "+02:00"')
    return found


@lru_cache(1)
def zone_names() -> frozenset[str]:
    """Return the names of all zones. The first call reads the whole database, which takes 20 ms."""
    return frozenset(available_timezones())


@lru_cache(KEPT)
def _zone(name: str) -> tzinfo | None:
    if name in ("UTC", "Z"):
        return UTC
    if match := OFFSET.fullmatch(name):
        sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if sign == "-" else offset)
    return ZoneInfo(name) if name in zone_names() else None
