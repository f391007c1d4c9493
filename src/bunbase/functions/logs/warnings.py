"""Warnings that BunBase itself writes into the log of a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from bunbase.contracts.functions.logs import LogLevel
from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.functions.workers.deployment import Deployment, LogRecord, WriteLog

Warn = Callable[[str, str, str], Awaitable[None]]
"""A function that writes a text into a function's log.

Its arguments are the project, the function's name and the text.
"""


class LogWarnings:
    def __init__(self, write_log: WriteLog, find: Callable[[str, str], Awaitable[Deployment]]) -> None:
        self.write_log = write_log
        self.find = find

    async def warn(self, project: str, function: str, text: str) -> None:
        """Write a warning. If the function was deleted meanwhile, do nothing."""
        with suppress(FunctionNotFound):
            self.write_log(LogRecord(await self.find(project, function), "", LogLevel.WARN, text))
