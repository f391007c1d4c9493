"""A total order of all JSON values, for sorting, indexes and cursors.

A value becomes a key: bytes that sort like the value.

The order is the same as in MongoDB: missing and null < numbers < strings < objects < arrays < false < true. Numbers
compare by value, strings by code point, objects by their fields in order. No key is a prefix of another key, so keys
can be joined.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any, Final

from bunbase.bundoc.query.filters import number

NULL, NUMBER, STRING, OBJECT, ARRAY, FALSE, TRUE = b"\x10", b"\x20", b"\x30", b"\x40", b"\x50", b"\x60", b"\x61"
END: Final = b"\x00\x00"
MORE: Final = b"\x01"  # This byte stands before each element, so that a shorter list sorts first.
INVERTED: Final = bytes(range(255, -1, -1))

# A key longer than MAX_KEY becomes its first KEPT bytes and a hash of the whole key, so that cursors stay short. Values
# with the same first KEPT bytes still have different keys; their order is stable but has no meaning.
MAX_KEY: Final = 512
KEPT: Final = 480


def key(value: Any) -> bytes:
    """Return the whole key. Two values are equal if and only if their keys are equal."""
    match value:
        case None:
            return NULL
        case bool():
            return TRUE if value else FALSE
        case int() | float():
            return NUMBER + _number(number(value))
        case str():
            return STRING + _text(value)
        case dict():
            fields = (MORE + _text(name) + key(inner) for name, inner in value.items())
            return OBJECT + b"".join(fields) + END
        case _:
            return ARRAY + b"".join(MORE + key(inner) for inner in value) + END


def watched_key(value: Any, tick: Callable[[int], None]) -> bytes:
    """Return the same as `key`. The function calls `tick(1)` for each value.

    `tick` may raise an exception to stop the work.
    """
    match value:
        case dict():
            fields: list[bytes] = []
            for name, inner in value.items():
                tick(1)
                fields.append(MORE + _text(name) + watched_key(inner, tick))
            return OBJECT + b"".join(fields) + END
        case list():
            elements: list[bytes] = []
            for inner in value:
                tick(1)
                elements.append(MORE + watched_key(inner, tick))
            return ARRAY + b"".join(elements) + END
        case _:
            return key(value)


def short_key(value: Any) -> bytes:
    whole = key(value)
    return whole if len(whole) <= MAX_KEY else whole[:KEPT] + hashlib.sha256(whole).digest()


def inverted(key: bytes) -> bytes:
    """Return the key for the reverse order."""
    return key.translate(INVERTED)


def _number(value: float) -> bytes:
    """Return the bytes of the nearest double. For integers beyond 2^53, the distance from this double follows."""
    nearest = float(value) or 0.0  # Turns -0.0 into 0.
    (bits,) = struct.unpack(">Q", struct.pack(">d", nearest))
    rest = value - int(nearest) if isinstance(value, int) else 0
    return struct.pack(">QH", bits ^ ((1 << 64) - 1) if bits >> 63 else bits | 1 << 63, rest + (1 << 15))


def _text(value: str) -> bytes:
    return value.encode().replace(b"\x00", b"\x00\xff") + END
