"""Collect the lines of an import into batches, each for one call of the service. Memory holds only one batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from bunbase.bundoc.transfer.lines import MAX_LINE_BYTES, Lines
from bunbase.bundoc.transfer.service import MAX_ERRORS, MAX_LINES
from bunbase.contracts.bundoc.backups import Imported, ImportLine, RefusedLine
from bunbase.contracts.bundoc.problems import DocumentTooLarge

BATCH_BYTES: Final = 4 << 20

Send = Callable[[tuple[ImportLine, ...]], Awaitable[Imported]]


class Importing:
    """One import. `done`: the total result of the batches so far. Lines before `from_line` are skipped."""

    def __init__(self, send: Send, from_line: int = 1) -> None:
        self.send = send
        self.from_line = from_line
        self.lines = Lines()
        self.batch: list[ImportLine] = []
        self.size = 0
        self.done = Imported(last_line=from_line - 1)

    async def feed(self, piece: bytes) -> None:
        await self._take(self.lines.feed(piece))

    async def end(self) -> Imported:
        await self._take(self.lines.end())
        await self._flush()
        self._refuse(self.lines.number)
        return self.done

    async def _take(self, lines: list[ImportLine]) -> None:
        for line in lines:
            if line.number >= self.from_line:
                self.batch.append(line)
                self.size += len(line.text)
                if len(self.batch) == MAX_LINES or self.size >= BATCH_BYTES:
                    await self._flush()

    async def _flush(self) -> None:
        if self.batch:
            batch = tuple(self.batch)
            self.batch, self.size = [], 0
            self._add(await self.send(batch))
            self._refuse(batch[-1].number)

    def _refuse(self, until: int) -> None:
        """Count the lines up to `until` that are too long. Later lines belong to a later batch."""
        too_long = [number for number in self.lines.too_long if self.from_line <= number <= until]
        self.lines.too_long = [number for number in self.lines.too_long if number > until]
        if too_long:
            detail = f"A line has at most {MAX_LINE_BYTES} bytes, and a document at most 1 MiB."
            errors = tuple(RefusedLine(number, DocumentTooLarge.code, detail) for number in too_long[:MAX_ERRORS])
            self._add(Imported(failed=len(too_long), last_line=too_long[-1], errors=errors))

    def _add(self, more: Imported) -> None:
        done = self.done
        errors = sorted((*done.errors, *more.errors), key=lambda error: error.line)[:MAX_ERRORS]
        self.done = Imported(
            done.imported + more.imported,
            done.skipped + more.skipped,
            done.failed + more.failed,
            max(done.last_line, more.last_line),
            tuple(errors),
        )
