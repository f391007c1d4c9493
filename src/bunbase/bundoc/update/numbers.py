"""Numbers of documents: integers of 64 bits stay exact integers, everything else is a double (IEEE 754)."""

from __future__ import annotations

import math
import re
from typing import Final

import msgspec

from bunbase.bundoc.documents import write

INTEGER: Final = re.compile(rb"-?[0-9]+")
LEAST: Final = -(1 << 63)
MOST: Final = (1 << 63) - 1

Number = int | float


class OutOfRange(Exception):
    """The result is an integer beyond 64 bits, or no finite double."""


def is_number(value: msgspec.Raw) -> bool:
    return bytes(value)[:1] in b"-0123456789"


def number_of(value: msgspec.Raw) -> Number:
    """Raises: OutOfRange for an integer that does not fit: as a double it would lose digits."""
    text = bytes(value)
    return _checked(int(text)) if len(text) <= 20 and INTEGER.fullmatch(text) else _double(text)


def added(left: msgspec.Raw, right: msgspec.Raw) -> msgspec.Raw:
    """Raises: OutOfRange."""
    return _written(number_of(left) + number_of(right))


def multiplied(left: msgspec.Raw, right: msgspec.Raw) -> msgspec.Raw:
    """Raises: OutOfRange."""
    return _written(number_of(left) * number_of(right))


def as_number(value: msgspec.Raw) -> msgspec.Raw:
    """Give the number as it was sent. Raises: OutOfRange."""
    number_of(value)
    return value


def zero_like(value: msgspec.Raw) -> msgspec.Raw:
    """Give the zero of the same kind: what a missing field times `value` becomes."""
    return msgspec.Raw(b"0" if isinstance(number_of(value), int) else b"0.0")


def _double(text: bytes) -> float:
    if INTEGER.fullmatch(text):
        raise OutOfRange
    return float(text)


def _written(number: Number) -> msgspec.Raw:
    return msgspec.Raw(write(_checked(number)))


def _checked(number: Number) -> Number:
    if isinstance(number, int) and not LEAST <= number <= MOST:
        raise OutOfRange
    if not math.isfinite(number):
        raise OutOfRange
    return number
