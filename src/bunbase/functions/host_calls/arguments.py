"""Reading what a worker sends along."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from bunbase.pkg.errors import InvalidInput

T = TypeVar("T", bound=msgspec.Struct)


def read(text: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Raises: InvalidInput."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"These arguments are not understood: {error}.") from None
