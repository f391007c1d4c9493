"""JSON for API answers. Times are written in RFC 3339, in UTC, with milliseconds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from bunbase.pkg.clock import rfc3339


def api_json(value: Any) -> bytes:
    """Return Structs and builtin values as JSON.

    Do not pass documents to this function, because documents are JSON already.
    """
    return msgspec.json.encode(api_builtins(value))


def api_builtins(value: Any) -> Any:
    """Return Structs and builtin values as values that JSON has, such as dicts, lists and strings."""
    return _with_times(msgspec.to_builtins(value, builtin_types=(datetime,)))


def _with_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_times(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_times(inner) for inner in value]
    return rfc3339(value) if isinstance(value, datetime) else value
