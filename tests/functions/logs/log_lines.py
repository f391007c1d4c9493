"""Log lines for the database, made without a function that prints them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bunbase.contracts.functions.logs import LogLevel
from bunbase.functions.store.logs import NewLine
from tests.functions.calls import PROJECT

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
LINE = NewLine(PROJECT, "f", 1, "inv_1", NOON, LogLevel.INFO, "text", False)


def line(text: str, minutes: float = 0, **changes: Any) -> NewLine:
    """Return a line logged some minutes after NOON."""
    return msgspec.structs.replace(LINE, text=text, at=NOON + timedelta(minutes=minutes), **changes)
