"""Keyset cursors: opaque, and worth nothing in another query than the one that gave them."""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeVar

import msgspec

from bunbase.pkg.errors import Problem

T = TypeVar("T")

DEFAULT_LIMIT = 20
MAX_LIMIT = 500


class InvalidCursor(Problem):
    status, code, title = 400, "invalid_cursor", "This cursor does not belong to this query"


def encode_cursor(query: str, position: Any) -> str:
    """Pack where a page ended; `query` names everything that must be the same for the cursor to be of use."""
    return base64.urlsafe_b64encode(msgspec.json.encode((query, position))).rstrip(b"=").decode()


def decode_cursor(query: str, cursor: str, position: type[T]) -> T:
    """Give back the position. Raises: InvalidCursor."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        from_query, where = msgspec.json.decode(packed, type=tuple[str, position])  # type: ignore[valid-type]
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        raise InvalidCursor("Send back `next` from the last page unchanged, or start without a cursor.") from None
    if from_query != query:
        raise InvalidCursor("This cursor came from another query; start again without it.")
    return where
