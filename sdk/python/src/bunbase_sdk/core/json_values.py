"""Write and read JSON without changing a value in silence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from bunbase_sdk.problem import invalid_value

MOST: Final = 2**63 - 1
LEAST: Final = -(2**63)
MAX_DEPTH: Final = 200


def written(value: object, path: str = "") -> bytes:
    """Return a value as JSON. Raises: Problem `invalid_value`, with the path of the value that JSON cannot express."""
    return json.dumps(plain(value, path), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def plain(value: object, path: str = "", depth: int = 0) -> Any:
    """Return a value in types of JSON: times become RFC 3339, and tuples become lists. Raises: Problem."""
    match value:
        case None | bool():
            return value
        case str():
            return _text(str.__str__(value), path)
        case int():
            if not LEAST <= value <= MOST:
                raise invalid_value(path, "An integer has at most 64 bits. Send it as a text.")
            return int(value)
        case float():
            if not math.isfinite(value):
                raise invalid_value(path, f"JSON has no {value}. Send null, or leave the field out.")
            return float(value)
        case datetime():
            return moment(value, path)
        case date():
            return value.isoformat()
        case Mapping() | list() | tuple():
            if depth >= MAX_DEPTH:
                raise invalid_value(path, "The value is nested too deeply, or it contains itself.")
            if isinstance(value, Mapping):
                return {_name(name, path): plain(part, _below(path, name), depth + 1) for name, part in value.items()}
            return [plain(part, f"{path}/{at}", depth + 1) for at, part in enumerate(value)]
        case bytes() | bytearray() | memoryview():
            raise invalid_value(path, "JSON has no bytes. Write them as a text, for example with base64.")
        case _:
            raise invalid_value(path, f"A {type(value).__name__} is no JSON. {_advice(value)}")


def moment(value: datetime, path: str) -> str:
    """Return a time in RFC 3339, as a text that sorts by time: in UTC, and with milliseconds as JavaScript writes it.

    If a time has microseconds, the text keeps them, so the text sorts before other times of the same millisecond.
    Raises: Problem, for a time without a zone.
    """
    if value.tzinfo is None or value.utcoffset() is None:
        raise invalid_value(path, "The time has no zone. Use datetime.now(UTC), or replace(tzinfo=…).")
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise invalid_value(path, "In UTC, this time is not in the years 1 to 9999.") from None
    return moment.isoformat(timespec="microseconds" if moment.microsecond % 1000 else "milliseconds")[:-6] + "Z"


def parsed(text: str | bytes) -> Any:
    """Return the value of a JSON text; integers are exact. Raises: ValueError."""
    return json.loads(text, parse_constant=_refuse)


def _advice(value: object) -> str:
    if isinstance(value, Decimal):
        return "Use float(…), which keeps 15 digits, or a whole number of the smallest unit, such as cents."
    return "Convert it to a text, number, list or dict."


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid_value(path, "The text has half of a surrogate pair, which is no character.") from None
    return value


def _name(name: object, path: str) -> str:
    if not isinstance(name, str):
        raise invalid_value(path, f"The name of a field is a text, not {name!r}.")
    return _text(str.__str__(name), path)


def _below(path: str, name: object) -> str:
    return f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}"
