"""Truncate times to a unit such as the month, in a time zone such as Europe/Berlin.

A time is a text in RFC 3339, as in all of BunBase. Every other value counts as null.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from bunbase.pkg.moments import read_moment

UNITS: Final = ("year", "quarter", "month", "week", "day", "hour", "minute")
DAYS: Final = frozenset(UNITS[:5])
MOST_KNOWN: Final = 10_000

Moment = tuple[float, str]  # Seconds since 1970, and the local time in RFC 3339.


class Truncation(msgspec.Struct, frozen=True):
    """`unit`: one of UNITS; weeks begin on Monday. `timezone`: a name of the IANA database."""

    unit: str
    timezone: str


def zone_named(name: str) -> tzinfo:
    """Return the time zone. Raises: ValueError if this server does not know the name."""
    if name == "UTC":  # This time zone needs no database of time zones.
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(name) from None


class Truncating:
    """Truncates times.

    Units of earlier times are cached, because a conversion with a time zone takes 10 µs.
    """

    def __init__(self, by: Truncation) -> None:
        self.unit = by.unit
        self.zone = zone_named(by.timezone)
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.moments: list[Moment] = []

    def moment(self, value: Any) -> Moment | None:
        """Return the first moment of the unit that contains the time; None if the value is not a time.

        When clocks go back, they show some times twice; such a time keeps its offset.
        """
        if not isinstance(value, str):
            return None
        try:
            time = read_moment(value)
        except ValueError:
            return None
        at = time.timestamp()
        place = bisect_right(self.starts, at) - 1
        if place >= 0 and at < self.ends[place]:
            return self.moments[place]
        try:
            return self._truncated(time, place + 1)
        except (ValueError, OverflowError):  # The result is outside the years 1 to 9999.
            return None

    def _truncated(self, time: datetime, place: int) -> Moment:
        local = _start(time.astimezone(self.zone), self.unit)
        start = local.astimezone(UTC)
        moment = (start.timestamp(), self._shown(start))
        if self.unit in DAYS and len(self.moments) < MOST_KNOWN and (end := _end(local, self.unit)):
            self.starts.insert(place, moment[0])
            self.ends.insert(place, end)
            self.moments.insert(place, moment)
        return moment

    def _shown(self, start: datetime) -> str:
        # The time is converted again, because clocks may skip the first hour of a day.
        shown = start.astimezone(self.zone)
        offset = shown.utcoffset() or timedelta()
        # Local mean time may have seconds in its offset. RFC 3339 has no such offsets.
        if not offset or offset.seconds % 60:
            return f"{start.replace(tzinfo=None).isoformat()}Z"
        return shown.isoformat()


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


def _end(start: datetime, unit: str) -> float | None:
    """Return the end of the unit, in seconds since 1970; None if the end is after the year 9999.

    Times in the year 9999 occur, because many systems write 9999-12-31 for "never".
    """
    try:
        return _next(start, unit).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):  # The next unit begins in the year 10000.
        return None


def _next(start: datetime, unit: str) -> datetime:
    """Return the start of the next unit of days, on the same clocks."""
    months = {"month": 1, "quarter": 3, "year": 12}
    if unit not in months:
        return start + timedelta(days=7 if unit == "week" else 1)
    month = start.month - 1 + months[unit]
    return start.replace(year=start.year + month // 12, month=month % 12 + 1)
