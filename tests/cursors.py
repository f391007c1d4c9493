"""The parts of a cursor, for tests that change them."""

from __future__ import annotations

import base64
from typing import TypeVar

import msgspec

T = TypeVar("T")


def parts_of(cursor: str, position: type[T]) -> tuple[str, T]:
    """Return the query of a cursor, and its position."""
    packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    query, where = msgspec.json.decode(packed, type=tuple[str, position])  # type: ignore[valid-type]  # a type of run time
    return query, where
