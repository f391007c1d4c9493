"""The output of functions, line by line."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class LogLine(msgspec.Struct, frozen=True):
    """`seq`: a number that grows in the order in which lines became visible.

    `truncated`: true if the line, or the output of its invocation, was too long and was cut.
    """

    seq: int
    at: datetime
    level: LogLevel
    text: str
    function: str
    version: int
    invocation: str
    truncated: bool


class LogFilter(msgspec.Struct, frozen=True):
    """A filter of log lines. A member that is left out matches every line.

    `level`: the lowest level; `text`: a part of the line, case-insensitive; `since` is inclusive, `until` exclusive.
    """

    level: LogLevel | None = None
    text: Annotated[str, msgspec.Meta(max_length=256)] = ""
    since: datetime | None = None
    until: datetime | None = None
    invocation: str | None = None
    version: int | None = None


ALL_LINES: Final = LogFilter()


class LogPage(msgspec.Struct, frozen=True):
    """Log lines, newest first. `next`: the cursor of older lines."""

    items: tuple[LogLine, ...]
    next: str | None
