"""Pagination with keyset cursors. A cursor is an opaque text that is valid only for the query that returned it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from bunbase.pkg.errors import Problem

DEFAULT_LIMIT = 20
MAX_LIMIT = 500
# A cursor has at most this many characters. Our cursors are shorter, even with the longest values in every field of the
# sort.
MAX_CURSOR = 16_384

UNCHANGED: Final = "Send back `next` from the last page unchanged, or start without a cursor."

T = TypeVar("T")
Row = TypeVar("Row")


class InvalidCursor(Problem):
    status, code, title = 400, "invalid_cursor", "This cursor does not belong to this query"


def encode_cursor(query: str, position: Any) -> str:
    """Return the cursor for the rows after `position`. `query`: a text; only the same query accepts the cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode((query, position))).rstrip(b"=").decode()


def decode_cursor(query: str, cursor: str, position: type[T]) -> T:
    """Return the position that a cursor holds. Raises: InvalidCursor."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        from_query, where = msgspec.json.decode(packed, type=tuple[str, position])  # type: ignore[valid-type]  # known at run time
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        raise InvalidCursor(UNCHANGED) from None
    if _has_nul(where):  # PostgreSQL does not accept NUL in texts, and BunBase makes no such cursor.
        raise InvalidCursor(UNCHANGED)
    if from_query != query:
        raise InvalidCursor("This cursor came from another query: start again without a cursor.")
    return where


def _has_nul(position: Any) -> bool:
    if isinstance(position, str):
        return "\0" in position
    return isinstance(position, tuple) and any(_has_nul(part) for part in position)


def page_start(query: str, cursor: str | None, position: type[T], first: T) -> T:
    """Return the position after which a page starts: `first` if there is no cursor. Raises: InvalidCursor."""
    return decode_cursor(query, cursor, position) if cursor else first


def cut_page(
    rows: Sequence[Row], limit: int, query: str, position: Callable[[Row], Any]
) -> tuple[Sequence[Row], str | None]:
    """Return the first `limit` rows, and the cursor of the next page, or None if there are no more rows.

    Read `limit + 1` rows from the store: if there are more than `limit` rows, another page follows.
    """
    page = rows[:limit]
    return page, encode_cursor(query, position(page[-1])) if len(rows) > limit else None
