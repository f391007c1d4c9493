"""What users may keep about themselves."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.pkg.errors import InvalidInput

MAX_BYTES: Final = 16 << 10
MAX_LEVELS: Final = 32  # as deep as a document


def check_data(data: dict[str, Any]) -> None:
    """Raises: InvalidInput when `data` is too deep, or too long as JSON."""
    if _deeper_than(MAX_LEVELS, data):
        raise _invalid(f"`data` has at most {MAX_LEVELS} levels.")
    if len(msgspec.json.encode(data)) > MAX_BYTES:
        raise _invalid(f"`data` has at most {MAX_BYTES} bytes of JSON; keep more in a collection.")


def _deeper_than(levels: int, value: Any) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(levels - 1, one) for one in inner)


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, errors=[{"path": "/data", "message": message}])
