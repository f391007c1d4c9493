"""Collects log lines in memory and writes them to the database in batches."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Final

from bunbase.functions.store.logs import NewLine
from bunbase.functions.workers.deployment import LogRecord
from bunbase.pkg.clock import Clock
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("functions")

MAX_LINES: Final = 20_000
MAX_BYTES: Final = 16 << 20
BATCH_LINES: Final = 1000

Write = Callable[[str, int, Sequence[NewLine]], Awaitable[None]]
"""Write a batch, unless a batch of this writer with this number or a higher one was written before."""
Prepare = Callable[[Sequence[NewLine]], Awaitable[Sequence[NewLine]]]


class LogBuffer:
    """Holds at most MAX_LINES and MAX_BYTES. Further lines are lost, for example while the database is unreachable.

    A project's part of the buffer may be at most as large as the part that is still free. So a project that floods the
    log takes at most half of the buffer, and other projects always have space.

    `prepare` translates the lines of a batch, and then `write` stores the batch. A batch keeps its number and its lines
    until the write has succeeded. If only the database's answer was lost, or the task was cancelled, the batch is sent
    again with the same number. The database ignores a batch that it has already stored.
    """

    def __init__(self, write: Write, clock: Clock, prepare: Prepare) -> None:
        self.write = write
        self.prepare = prepare
        self.clock = clock
        self.lines: deque[NewLine] = deque()
        self.bytes = 0
        self.lines_of: Counter[str] = Counter()  # The number of lines of each project.
        self.bytes_of: Counter[str] = Counter()
        self.lost = 0
        self.writer = new_id("wrt")
        self.seq = 0
        self.begun = 0  # While batch `seq` is being written, this is the number of its lines, otherwise 0.
        self.writing = asyncio.Lock()

    def say(self, record: LogRecord) -> None:
        """Add a line of BunBase itself. If the buffer is full, count the line as lost."""
        of = record.deployment
        self.add(
            NewLine(
                of.project,
                of.name,
                of.version,
                record.invocation,
                self.clock.now(),
                record.level,
                record.text,
                record.truncated,
            )
        )

    def add(self, line: NewLine) -> None:
        """Add a line. If the buffer is full, count the line as lost."""
        if not self._has_room(line.project, len(line.text)):
            self.lost += 1
            return
        self.lines.append(line)
        self._count(line, 1)

    async def flush(self) -> None:
        """Write all lines. Lines that cannot be written stay in the buffer for the next call."""
        if self.lost:
            log.warning("log lines of functions were lost: the database does not keep up", lines=self.lost)
            self.lost = 0
        async with self.writing:
            while self.lines:
                if not self.begun:
                    self.seq, self.begun = self.seq + 1, min(len(self.lines), BATCH_LINES)
                batch = list(islice(self.lines, self.begun))
                await self.write(self.writer, self.seq, await self.prepare(batch))
                self.begun = 0
                for line in batch:
                    self.lines.popleft()
                    self._count(line, -1)

    def _has_room(self, project: str, size: int) -> bool:
        free_lines, free_bytes = MAX_LINES - len(self.lines), MAX_BYTES - self.bytes
        return self.lines_of[project] < free_lines and self.bytes_of[project] + size <= free_bytes

    def _count(self, line: NewLine, sign: int) -> None:
        self.bytes += sign * len(line.text)
        self.bytes_of[line.project] += sign * len(line.text)
        self.lines_of[line.project] += sign
        if not self.lines_of[line.project]:
            del self.lines_of[line.project], self.bytes_of[line.project]
