"""Read times in RFC 3339 (§5.6). This module reads all times that callers send.

Other parsers accept more texts: a time without an offset, `+0100`, a space instead of the T, digits of other scripts.
Such a text can be ambiguous. A parser that guesses wrong can do permanent harm, such as a document that expires at
once.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

MAX_CHARACTERS: Final = 64
RFC3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
EXAMPLE: Final = "2026-01-31T12:00:00Z"


def read_moment(text: str) -> datetime:
    """Return the moment in UTC, to the microsecond. A leap second is read as the start of the second after it.

    Raises: ValueError for a text that is not RFC 3339, and for a moment outside the years 1 to 9999.
    """
    match = RFC3339.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if match is None:
        raise ValueError("not RFC 3339")
    *date, fraction, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, date)
    microsecond = int((fraction or "").ljust(6, "0")[:6])
    local = datetime(year, month, day, hour, minute, min(second, 59), microsecond, UTC)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        time = local + offset if sign == "-" else local - offset
        return time if second < 60 else _leap(time)
    except OverflowError:
        raise ValueError("outside the years 1 to 9999") from None


def is_moment(text: str) -> bool:
    try:
        read_moment(text)
    except ValueError:
        return False
    return True


def milliseconds(time: datetime) -> int:
    """Return the milliseconds since 1970-01-01 in UTC."""
    return (time - EPOCH) // MILLISECOND


def _leap(time: datetime) -> datetime:
    """Return the second after a leap second. Raises: ValueError if `time` is not the last minute of a day in UTC."""
    if (time.hour, time.minute) != (23, 59):
        raise ValueError("not a leap second")
    return time.replace(microsecond=0) + timedelta(seconds=1)
