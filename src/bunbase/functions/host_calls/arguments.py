"""Parses the arguments of a host call."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.plain_messages import plain

T = TypeVar("T")


def read(text: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Return the arguments as a Struct. Raises: InvalidInput."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"The arguments are not valid: {plain(str(error))}.") from None
