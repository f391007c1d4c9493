"""Log lines on their way to the database: kept in memory for a moment, written many at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Final

from bunbase.functions.store.logs import NewLine
from bunbase.functions.workers.deployment import Said
from bunbase.pkg.clock import Clock
from bunbase.pkg.logger import logger

log = logger("functions")

MAX_LINES: Final = 20_000
MAX_BYTES: Final = 16 << 20
BATCH_LINES: Final = 1000

Write = Callable[[Sequence[NewLine]], Awaitable[None]]
Prepare = Callable[[Sequence[NewLine]], Awaitable[Sequence[NewLine]]]


class LogBuffer:
    """Holds at most MAX_LINES and MAX_BYTES; what comes on top, while the database is slow or away, is lost.

    `prepare` is what is done to lines just before they are written.
    """

    def __init__(self, write: Write, clock: Clock, prepare: Prepare) -> None:
        self.write = write
        self.prepare = prepare
        self.clock = clock
        self.lines: deque[NewLine] = deque()
        self.bytes = 0
        self.lost = 0
        self.writing = asyncio.Lock()

    def say(self, said: Said) -> None:
        if len(self.lines) >= MAX_LINES or self.bytes + len(said.text) > MAX_BYTES:
            self.lost += 1
            return
        of = said.deployment
        line = NewLine(
            of.project, of.name, of.version, said.invocation, self.clock.now(), said.level, said.text, said.truncated
        )
        self.lines.append(line)
        self.bytes += len(line.text)

    async def flush(self) -> None:
        """Write everything; lines that cannot be written stay for the next time."""
        if self.lost:
            log.warning("log lines of functions were lost: the database does not keep up", lines=self.lost)
            self.lost = 0
        async with self.writing:
            while batch := list(islice(self.lines, BATCH_LINES)):
                await self.write(await self.prepare(batch))
                for line in batch:
                    self.lines.popleft()
                    self.bytes -= len(line.text)
