"""The operators of CEL for JSON values, timestamps and durations.

As in CEL, values of different types are never equal, and it is an error to compare their order. Integers have 64 bits,
and an overflow is an error. Unlike in CEL, an integer and a double can be added, because JSON has only one number type.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from bunbase.pkg.moments import EXAMPLE, read_moment

SMALLEST_INT: Final = -(1 << 63)
LARGEST_INT: Final = (1 << 63) - 1
CHARACTERS_FOR_A_STEP: Final = 64
MAX_LENGTH: Final = 1 << 20  # The longest string or list that a rule can create with + has this length.

MAX_DURATION: Final = 64  # A duration has at most this many characters.
DURATION: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?(?:h|ms|us|ns|m|s))+")
DURATION_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|us|ns|m|s)")
MICROSECONDS: Final = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000, "us": 1, "ns": 0.001}

NUMBERS: Final = frozenset({int, float})
ORDERED: Final = frozenset({str, bool, datetime, timedelta})


class Failed(Exception):
    """An error of CEL. && and || may ignore it. Otherwise the rule denies access."""


class FieldMissing(Failed):
    """A map has no such field."""


class Diff(msgspec.Struct, frozen=True):
    """The result of `after.diff(before)`: two maps to compare."""

    after: dict[str, Any]
    before: dict[str, Any]


def type_name(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "double"
        case str():
            return "string"
        case list():
            return "list"
        case dict():
            return "map"
        case datetime():
            return "timestamp"
        case Diff():
            return "diff"
        case _:
            return "duration"


def same(a: Any, b: Any, spend: Callable[[int], None]) -> bool:
    kind, other = a.__class__, b.__class__
    if kind is not other:
        return kind in NUMBERS and other in NUMBERS and bool(a == b)
    if kind is list:
        spend(len(a))
        return len(a) == len(b) and all(same(x, y, spend) for x, y in zip(a, b, strict=True))
    if kind is dict:
        spend(len(a))
        return len(a) == len(b) and all(name in b and same(value, b[name], spend) for name, value in a.items())
    if kind is str and len(a) > CHARACTERS_FOR_A_STEP:
        spend(len(a) // CHARACTERS_FOR_A_STEP)
    return bool(a == b)


def compared(a: Any, b: Any, compare: Callable[[Any, Any], bool], spend: Callable[[int], None]) -> bool:
    """Return `compare(a, b)`. Raises: Failed if the types of a and b have no common order."""
    kind, other = a.__class__, b.__class__
    if kind is str and len(a) > CHARACTERS_FOR_A_STEP:
        spend(len(a) // CHARACTERS_FOR_A_STEP)
    if (kind is other and kind in ORDERED) or (kind in NUMBERS and other in NUMBERS):
        return compare(a, b)
    raise Failed(f"{type_name(a)} and {type_name(b)} cannot be ordered")


def contained(a: Any, b: Any, spend: Callable[[int], None]) -> bool:
    """Return the value of `a in b`. Raises: Failed."""
    if b.__class__ is list:
        if a.__class__ is str:
            spend(len(b) * (1 + len(a) // CHARACTERS_FOR_A_STEP))
            return a in b
        spend(len(b))
        return any(same(a, item, spend) for item in b)
    if b.__class__ is dict:
        return a.__class__ is str and a in b
    raise Failed(f"in searches a list or a map, not {type_name(b)}")


def size(value: Any) -> int:
    """Return the number of elements, or the number of Unicode code points of a string. Raises: Failed."""
    if value.__class__ in (str, list, dict):
        return len(value)
    raise Failed(f"{type_name(value)} has no size")


def calculated(sign: str, a: Any, b: Any, spend: Callable[[int], None]) -> Any:
    """Return the result of + - * / or %. Raises: Failed."""
    kind, other = a.__class__, b.__class__
    if kind in NUMBERS and other in NUMBERS:
        return _integer(sign, a, b) if kind is int and other is int else _double(sign, float(a), float(b))
    if sign == "+" and kind is other and kind in (str, list):
        spend(len(a) + len(b))
        if len(a) + len(b) > MAX_LENGTH:
            raise Failed("the result is too long")
        return a + b
    if (sign, kind, other) in TIMES:
        try:
            return operator.add(a, b) if sign == "+" else operator.sub(a, b)
        except OverflowError:
            raise Failed("this time is out of range") from None
    raise Failed(f"{type_name(a)} {sign} {type_name(b)} has no meaning")


def negative(value: Any) -> Any:
    """Return the negated number. Raises: Failed."""
    if value.__class__ is float:
        return -value
    if value.__class__ is int and value != SMALLEST_INT:
        return -value
    raise Failed(f"{type_name(value)} cannot be negated")


def timestamp(value: Any) -> datetime:
    """Return the timestamp for a text in RFC 3339, to the microsecond. Raises: Failed."""
    if value.__class__ is datetime:
        return value
    try:
        if value.__class__ is str:
            return read_moment(value)
    except ValueError:
        pass
    raise Failed(f'timestamp() reads RFC 3339, such as "{EXAMPLE}"')


def duration(value: Any) -> timedelta:
    """Return the duration for a text such as `1h30m`. Raises: Failed."""
    if value.__class__ is timedelta:
        return value
    if value.__class__ is not str or len(value) > MAX_DURATION or not DURATION.fullmatch(value):
        raise Failed('duration() reads text such as "1h30m", "90s" or "250ms"')
    total = sum(float(number) * MICROSECONDS[unit] for number, unit in DURATION_PART.findall(value))
    try:
        return timedelta(microseconds=-total if value[0] == "-" else total)
    except OverflowError:
        raise Failed("this duration is out of range") from None


TIMES: Final = frozenset(
    {
        ("+", datetime, timedelta),
        ("+", timedelta, datetime),
        ("+", timedelta, timedelta),
        ("-", datetime, timedelta),
        ("-", datetime, datetime),
        ("-", timedelta, timedelta),
    }
)


def _integer(sign: str, a: int, b: int) -> int:
    match sign:
        case "+":
            result = a + b
        case "-":
            result = a - b
        case "*":
            result = a * b
        case _:
            if b == 0:
                raise Failed("division by zero")
            quotient = abs(a) // abs(b) if (a < 0) == (b < 0) else -(abs(a) // abs(b))  # CEL rounds towards zero.
            result = quotient if sign == "/" else a - b * quotient
    if not SMALLEST_INT <= result <= LARGEST_INT:
        raise Failed("the result does not fit in 64 bits")
    return result


def _double(sign: str, a: float, b: float) -> float:
    match sign:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/" if b == 0:
            return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)
        case "/":
            return a / b
        case _:
            raise Failed("% is for integers")
