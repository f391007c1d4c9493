"""Parses the log lines that a worker sends, and limits how much one call may log."""

from __future__ import annotations

from typing import Final, NamedTuple

from bunbase.contracts.functions.logs import LogLevel
from bunbase.functions.workers.frames import BadFrame, text_of
from bunbase.functions.workers.limits import LINE_OVERHEAD_BYTES, MAX_CALL_LOG_BYTES, MAX_LINE_BYTES

LEVELS: Final = (LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARN, LogLevel.ERROR)
FLAGS_BYTES: Final = 2  # The text follows these bytes: one byte for the level, and one byte for "truncated".


class ParsedLine(NamedTuple):
    """A log line of a worker. `size`: the bytes that count towards the limit, including LINE_OVERHEAD_BYTES."""

    level: LogLevel
    text: str
    truncated: bool
    size: int


def read_line(payload: bytes) -> ParsedLine:
    """Return the line in a LOG frame. Raises: BadFrame if our runtime never sends such a line."""
    size = len(payload) - FLAGS_BYTES + LINE_OVERHEAD_BYTES
    if size > MAX_LINE_BYTES + LINE_OVERHEAD_BYTES or size < LINE_OVERHEAD_BYTES or payload[0] >= len(LEVELS):
        raise BadFrame("a log line that is too long or malformed")
    return ParsedLine(LEVELS[payload[0]], text_of(payload[FLAGS_BYTES:]), payload[1] != 0, size)


def check_logged(logged_bytes: int) -> None:
    """Check how many bytes one call has logged. Raises: BadFrame.

    The runtime stops logging at MAX_CALL_LOG_BYTES, and adds one line about this.
    """
    if logged_bytes > MAX_CALL_LOG_BYTES + MAX_LINE_BYTES:
        raise BadFrame("more log lines than a call may write")
