"""Collect lines that arrive as a stream into batches, each for one call. Memory holds only one batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from bunbase.pkg.ndjson import ImportLine, Lines

Batch = tuple[ImportLine, ...]


class BatchLimits(msgspec.Struct, frozen=True):
    """The limits of batches of lines. `line_bytes`: the maximum size of one line. `lines`, `bytes`: the limits of one
    batch.
    """

    line_bytes: int
    lines: int
    bytes: int


class LineBatches:
    """`send` gets each batch. After that, `refuse` gets the numbers of lines that are too long, up to the batch's end.

    Lines before `from_line` are skipped.
    """

    def __init__(
        self,
        limits: BatchLimits,
        from_line: int,
        send: Callable[[Batch], Awaitable[None]],
        refuse: Callable[[list[int]], None],
    ) -> None:
        self.limits = limits
        self.from_line = from_line
        self.send = send
        self.refuse = refuse
        self.lines = Lines(limits.line_bytes)
        self.batch: list[ImportLine] = []
        self.size = 0

    async def feed(self, piece: bytes) -> None:
        await self._take(self.lines.feed(piece))

    async def end(self) -> None:
        await self._take(self.lines.end())
        await self._flush()
        self._refuse(self.lines.number)

    async def _take(self, lines: list[ImportLine]) -> None:
        for line in lines:
            if line.number >= self.from_line:
                self.batch.append(line)
                self.size += len(line.text)
                if len(self.batch) == self.limits.lines or self.size >= self.limits.bytes:
                    await self._flush()

    async def _flush(self) -> None:
        if self.batch:
            batch = tuple(self.batch)
            self.batch, self.size = [], 0
            await self.send(batch)
            self._refuse(batch[-1].number)

    def _refuse(self, until: int) -> None:
        """Refuse the lines up to number `until` that are too long. Later lines belong to a later batch."""
        too_long = [number for number in self.lines.too_long if self.from_line <= number <= until]
        self.lines.too_long = [number for number in self.lines.too_long if number > until]
        if too_long:
            self.refuse(too_long)
