"""Hostile JSON values, put in the place of each value of an example.

A value is written as text, because most programs cannot write it: a parser may read it as infinity, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

MARK: Final = "the-hostile-value"
VALUES: Final = (b"1e400", b"1" * 5000, b'"\\u0000"', b"[" * 64 + b"]" * 64)


def with_hostile_values(example: Any) -> Iterator[bytes]:
    """Yield the example once for each of its values and for each hostile value, which replaces it."""
    for changed in _marked(example):
        before, _, after = msgspec.json.encode(changed).partition(msgspec.json.encode(MARK))
        for value in VALUES:
            yield before + value + after


def _marked(value: Any) -> Iterator[Any]:
    """For each value inside this value, yield a copy in which the mark replaces it."""
    match value:
        case dict() if value:
            for name, one in value.items():
                yield from ({**value, name: changed} for changed in _marked(one))
        case list() | tuple() if value:
            for at, one in enumerate(value):
                yield from ([*value[:at], changed, *value[at + 1 :]] for changed in _marked(one))
        case _:
            yield MARK
