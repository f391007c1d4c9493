"""Truncate times to a unit of a time zone, such as the month in Europe/Berlin.

A time is a text in RFC 3339, as in all of BunBase. Every other value counts as null.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from bunbase.pkg.moments import read_moment

UNITS: Final = ("year", "quarter", "month", "week", "day", "hour", "minute")
DAYS: Final = frozenset(UNITS[:5])
KEPT: Final = 10_000  # truncated texts; without them, each document takes 10 µs more


class Truncation(msgspec.Struct, frozen=True):
    """`unit`: one of UNITS; weeks begin on Monday. `timezone`: a name of the IANA database."""

    unit: str
    timezone: str


def zone_named(name: str) -> tzinfo:
    """Return the time zone. Raises: ValueError if this server does not know it."""
    if name == "UTC":  # works without a database of time zones
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(name) from None


def truncated(value: Any, by: Truncation) -> tuple[float, str] | None:
    """Return the first moment of the unit that contains the time, in seconds since 1970 and as local time in RFC 3339.

    None if the value is not a time. A time that the clocks of the zone show twice keeps its offset.
    """
    return _truncated(value, by) if isinstance(value, str) and len(value) <= 64 else None


@lru_cache(KEPT)
def _truncated(text: str, by: Truncation) -> tuple[float, str] | None:
    try:
        local = read_moment(text).astimezone(zone_named(by.timezone))
        start = _start(local, by.unit).astimezone(UTC)
        shown = start.astimezone(local.tzinfo)  # again, because clocks may skip the first hour of a day
    except (ValueError, OverflowError):
        return None
    offset = shown.utcoffset() or timedelta()
    if offset.seconds % 60:  # local mean time before standard time; RFC 3339 has no offsets with seconds
        shown = start
    return start.timestamp(), shown.isoformat() if shown.utcoffset() else f"{shown:%Y-%m-%dT%H:%M:%S}Z"


def _start(local: datetime, unit: str) -> datetime:
    if unit not in DAYS:
        return local.replace(minute=local.minute if unit == "minute" else 0, second=0, microsecond=0)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match unit:
        case "week":
            return midnight - timedelta(days=midnight.weekday())
        case "month":
            return midnight.replace(day=1)
        case "quarter":
            return midnight.replace(day=1, month=midnight.month - (midnight.month - 1) % 3)
        case "year":
            return midnight.replace(day=1, month=1)
        case _:
            return midnight
