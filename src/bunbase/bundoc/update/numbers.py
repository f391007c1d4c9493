"""Arithmetic on numbers in documents. Integers of 64 bits stay exact; all other numbers are doubles (IEEE 754)."""

from __future__ import annotations

import math
import operator
import re
from typing import Final

import msgspec

from bunbase.bundoc.documents import read_all, write
from bunbase.bundoc.query.filters import MAX_INTEGER, MIN_INTEGER, whole

INTEGER: Final = re.compile(rb"-?[0-9]+")
BITWISE: Final = {"and": operator.and_, "or": operator.or_, "xor": operator.xor}

Number = int | float


class OutOfRange(Exception):
    """The result is an integer beyond 64 bits, or a double that is not finite."""


def is_number(value: msgspec.Raw) -> bool:
    return bytes(value)[:1] in b"-0123456789"


def number_of(value: msgspec.Raw) -> Number:
    """Return the value of the number.

    Raises: OutOfRange for an integer beyond 64 bits, since a double would lose digits.
    """
    text = bytes(value)
    return _checked(int(text)) if len(text) <= 20 and INTEGER.fullmatch(text) else _double(text)


def added(left: msgspec.Raw, right: msgspec.Raw) -> msgspec.Raw:
    """Return the sum. Raises: OutOfRange."""
    return _written(number_of(left) + number_of(right))


def multiplied(left: msgspec.Raw, right: msgspec.Raw) -> msgspec.Raw:
    """Return the product. Raises: OutOfRange."""
    return _written(number_of(left) * number_of(right))


def combined(value: msgspec.Raw, steps: tuple[tuple[str, int], ...]) -> msgspec.Raw | None:
    """Return the integer after the steps of `$bit`, in two's complement; None if the value is not an integer."""
    number = whole(read_all(value)) if isinstance(value, msgspec.Raw) and is_number(value) else None
    if number is None:
        return None
    for name, operand in steps:
        number = BITWISE[name](number, operand)
    return msgspec.Raw(write(number))


def as_number(value: msgspec.Raw) -> msgspec.Raw:
    """Return the number exactly as it was sent. Raises: OutOfRange."""
    number_of(value)
    return value


def zero_like(value: msgspec.Raw) -> msgspec.Raw:
    """Return the product of a missing field and `value`, which is 0 for an integer and 0.0 for a double."""
    return msgspec.Raw(b"0" if isinstance(number_of(value), int) else b"0.0")


def _double(text: bytes) -> float:
    if INTEGER.fullmatch(text):
        raise OutOfRange
    return float(text)


def _written(number: Number) -> msgspec.Raw:
    return msgspec.Raw(write(_checked(number)))


def _checked(number: Number) -> Number:
    if isinstance(number, int) and not MIN_INTEGER <= number <= MAX_INTEGER:
        raise OutOfRange
    if not math.isfinite(number):
        raise OutOfRange
    return number
