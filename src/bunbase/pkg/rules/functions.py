"""The functions of rules that only need their arguments.

Each function gets `spend`, which counts its steps. Each may raise Failed.

Conversions and the parts of times follow CEL (https://github.com/google/cel-spec). `diff` and its methods follow the
rules of Firestore.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bunbase.pkg.rules.values import (
    CHARACTERS_FOR_A_STEP,
    LARGEST_INT,
    SMALLEST_INT,
    Diff,
    Failed,
    contained,
    same,
    type_name,
)
from bunbase.pkg.rules.zones import zone

Spend = Callable[[int], None]

STEPS_FOR_A_CONVERSION: Final = 10
STEPS_FOR_A_PART: Final = 20  # A part of a time takes this many steps, because a conversion to a zone takes 2 µs.
MAX_CHARACTERS: Final = 64  # A text that is converted to a number has at most this many characters.

INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")
DOUBLE: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
TRUTHS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
MICROSECOND: Final = timedelta(microseconds=1)
UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
SYSTEM: Final = frozenset({"_id", "_rev", "_created", "_updated"})


def string(spend: Spend, value: Any) -> str:
    spend(STEPS_FOR_A_CONVERSION)
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value).removesuffix(".0")
        case datetime():
            whole = value.replace(microsecond=0, tzinfo=None).isoformat()
            return f"{whole}{_fraction(value.microsecond)}Z"
        case timedelta():
            seconds, rest = divmod(abs(value) // MICROSECOND, 1_000_000)
            return f"{'-' if value < timedelta(0) else ''}{seconds}{_fraction(rest)}s"
    raise Failed(f"{type_name(value)} cannot become a string")


def integer(spend: Spend, value: Any) -> int:
    spend(STEPS_FOR_A_CONVERSION)
    found: int | None = None
    match value:
        case bool():
            pass
        case int():
            found = value
        case float() if math.isfinite(value):
            found = math.trunc(value)
        case str() if len(value) <= MAX_CHARACTERS and INTEGER.fullmatch(value):
            found = int(value)
        case datetime():
            found = (value - EPOCH) // SECOND
    if found is None or not SMALLEST_INT <= found <= LARGEST_INT:
        raise Failed(f"this {type_name(value)} cannot become an int")
    return found


def double(spend: Spend, value: Any) -> float:
    spend(STEPS_FOR_A_CONVERSION)
    found: float | None = None
    match value:
        case bool():
            pass
        case int() | float():
            found = float(value)
        case str() if len(value) <= MAX_CHARACTERS and DOUBLE.fullmatch(value):
            number = float(value)
            found = number if math.isfinite(number) else None
    if found is None:
        raise Failed(f"this {type_name(value)} cannot become a double")
    return found


def boolean(spend: Spend, value: Any) -> bool:
    spend(STEPS_FOR_A_CONVERSION)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in TRUTHS:
        return TRUTHS[value]
    raise Failed(f"this {type_name(value)} cannot become a bool")


def lower_ascii(spend: Spend, text: Any) -> str:
    return _in_ascii(spend, text, LOWER)


def upper_ascii(spend: Spend, text: Any) -> str:
    return _in_ascii(spend, text, UPPER)


def part(read: Callable[[datetime], int], of_duration: Callable[[int], int] | None) -> Callable[..., int]:
    """Return the function that reads one part of a time.

    `of_duration`: a function that reads the same part of a duration in microseconds; None if durations have no such
    part.
    """

    def get(spend: Spend, value: Any, name: Any = "UTC") -> int:
        spend(STEPS_FOR_A_PART)
        if isinstance(value, datetime):
            try:
                return read(value.astimezone(zone(name)))
            except OverflowError:
                raise Failed("this time is out of range") from None
        if isinstance(value, timedelta) and of_duration is not None and name == "UTC":
            total = of_duration(abs(value) // MICROSECOND)
            return -total if value < timedelta(0) else total
        raise Failed(f"{type_name(value)} has no such part")

    return get


def diff(spend: Spend, after: Any, before: Any) -> Diff:
    if not isinstance(after, dict) or not isinstance(before, dict):
        raise Failed("diff compares two maps")
    return Diff(after, before)


def keys(wanted: frozenset[str]) -> Callable[[Spend, Any], list[str]]:
    """Return a function that lists names. `wanted`: the kinds to list, of added, removed, changed and unchanged."""

    def names(spend: Spend, found: Any) -> list[str]:
        if not isinstance(found, Diff):
            raise Failed(f"{type_name(found)} is not the result of diff")
        spend(len(found.after) + len(found.before))
        documents = found.after.keys() & found.before.keys() >= SYSTEM
        every = [*found.after, *(name for name in found.before if name not in found.after)]
        own = [name for name in every if name not in SYSTEM] if documents else every
        return [name for name in own if _kind(name, found, spend) in wanted]

    return names


def has_only(spend: Spend, found: Any, wanted: Any) -> bool:
    return all(contained(one, _list(wanted), spend) for one in _list(found))


def has_any(spend: Spend, found: Any, wanted: Any) -> bool:
    return any(contained(one, _list(found), spend) for one in _list(wanted))


def has_all(spend: Spend, found: Any, wanted: Any) -> bool:
    return all(contained(one, _list(found), spend) for one in _list(wanted))


def _in_ascii(spend: Spend, text: Any, table: dict[int, int]) -> str:
    if not isinstance(text, str):
        raise Failed(f"{type_name(text)} is not text")
    spend(1 + len(text) // CHARACTERS_FOR_A_STEP)
    if text.isascii():
        return text.lower() if table is LOWER else text.upper()
    spend(len(text) // 8)  # translate takes a Python step for each character.
    return text.translate(table)


def _fraction(microseconds: int) -> str:
    return f".{microseconds:06}".rstrip("0") if microseconds else ""


def _kind(name: str, found: Diff, spend: Spend) -> str:
    if name not in found.before:
        return "added"
    if name not in found.after:
        return "removed"
    return "unchanged" if same(found.after[name], found.before[name], spend) else "changed"


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Failed(f"{type_name(value)} is not a list")
    return value


PARTS: Final[dict[str, Callable[..., int]]] = {
    "getFullYear": part(lambda time: time.year, None),
    "getMonth": part(lambda time: time.month - 1, None),
    "getDate": part(lambda time: time.day, None),
    "getDayOfMonth": part(lambda time: time.day - 1, None),
    "getDayOfWeek": part(lambda time: time.isoweekday() % 7, None),
    "getDayOfYear": part(lambda time: time.timetuple().tm_yday - 1, None),
    "getHours": part(lambda time: time.hour, lambda all: all // 3_600_000_000),
    "getMinutes": part(lambda time: time.minute, lambda all: all // 60_000_000),
    "getSeconds": part(lambda time: time.second, lambda all: all // 1_000_000),
    "getMilliseconds": part(lambda time: time.microsecond // 1000, lambda all: all // 1000 % 1000),
}
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "string": string,
    "int": integer,
    "double": double,
    "bool": boolean,
    "lowerAscii": lower_ascii,
    "upperAscii": upper_ascii,
    **PARTS,
    "diff": diff,
    "affectedKeys": keys(frozenset({"added", "removed", "changed"})),
    "addedKeys": keys(frozenset({"added"})),
    "removedKeys": keys(frozenset({"removed"})),
    "changedKeys": keys(frozenset({"changed"})),
    "unchangedKeys": keys(frozenset({"unchanged"})),
    "hasOnly": has_only,
    "hasAny": has_any,
    "hasAll": has_all,
}
