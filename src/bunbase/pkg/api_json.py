"""JSON for API answers: times are written in RFC 3339, in UTC, always with milliseconds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from bunbase.pkg.clock import rfc3339


def api_json(value: Any) -> bytes:
    """Encode Structs and builtin values. Documents do not pass through here, because they are bytes already."""
    return msgspec.json.encode(_with_times(msgspec.to_builtins(value, builtin_types=(datetime,))))


def _with_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_times(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_times(inner) for inner in value]
    return rfc3339(value) if isinstance(value, datetime) else value
