"""Ids: a prefix and a UUIDv7 in lower-case base 32. Ids sort by the time of their creation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import uuid_utils

CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
# All ids have this pattern. The pattern also keeps out NUL, which PostgreSQL cannot store.
ID: Final = "^[a-z0-9_]{1,64}$"
LENGTH: Final = 26  # An id has 128 bits in groups of five.
PAIRS: Final = tuple(high + low for high in CROCKFORD for low in CROCKFORD)


def new_id(prefix: str = "") -> str:
    """Return a new id such as `prj_06a1…`. Within one process, each id sorts after the id before it (RFC 9562 §5.7)."""
    number = uuid_utils.uuid7().int
    body = "".join([PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])
    return f"{prefix}_{body}" if prefix else body


def id_made_at(id: str) -> datetime:
    """Return the time at which an id was made, read from its first 48 bits (RFC 9562 §5.7).

    Return the latest possible time for an invented id whose bits do not encode a valid time.
    """
    number = 0
    for character in id.rpartition("_")[2]:
        number = number << 5 | max(CROCKFORD.find(character), 0)
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number >> 80)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
