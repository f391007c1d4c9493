"""The lines that a worker logs: the parts of a frame, checked, and the bounds on how much one call may log."""

from __future__ import annotations

from typing import Final, NamedTuple

from bunbase.contracts.functions.logs import LogLevel
from bunbase.functions.workers.frames import BadFrame, text_of
from bunbase.functions.workers.limits import LINE_OVERHEAD_BYTES, MAX_CALL_LOG_BYTES, MAX_LINE_BYTES

LEVELS: Final = (LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARN, LogLevel.ERROR)
FLAGS_BYTES: Final = 2  # level and "truncated", in front of the text


class LogLine(NamedTuple):
    """`size`: what the line counts towards the bound, its overhead included."""

    level: LogLevel
    text: str
    truncated: bool
    size: int


def read_line(payload: bytes) -> LogLine:
    """Raises: BadFrame for a line that our runtime does not send."""
    size = len(payload) - FLAGS_BYTES + LINE_OVERHEAD_BYTES
    if size > MAX_LINE_BYTES + LINE_OVERHEAD_BYTES or size < LINE_OVERHEAD_BYTES or payload[0] >= len(LEVELS):
        raise BadFrame("a log line that is too long or malformed")
    return LogLine(LEVELS[payload[0]], text_of(payload[FLAGS_BYTES:]), payload[1] != 0, size)


def check_logged(logged_bytes: int) -> None:
    """Raises: BadFrame. The runtime stops at MAX_CALL_LOG_BYTES; one more line marks where it cut the log."""
    if logged_bytes > MAX_CALL_LOG_BYTES + MAX_LINE_BYTES:
        raise BadFrame("more log than a call may write")
