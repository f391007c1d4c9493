"""Collect the lines of an import into batches, each for one call of the service. Memory holds only one batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from bunbase.contracts.tenant_auth.transfers import MAX_IMPORT_LINES, MAX_LISTED_ERRORS, ImportedUsers
from bunbase.pkg.errors import TooLarge
from bunbase.pkg.ndjson import ImportLine, Lines, RefusedLine

MAX_LINE_BYTES: Final = 64 << 10  # three times what the largest data, claims and identities have
BATCH_BYTES: Final = 1 << 20

Send = Callable[[tuple[ImportLine, ...]], Awaitable[ImportedUsers]]


class ImportingUsers:
    """One import. `done`: the total result of the batches so far. Lines before `from_line` are skipped."""

    def __init__(self, send: Send, from_line: int = 1) -> None:
        self.send = send
        self.from_line = from_line
        self.lines = Lines(MAX_LINE_BYTES)
        self.batch: list[ImportLine] = []
        self.size = 0
        self.done = ImportedUsers(last_line=from_line - 1)

    async def feed(self, piece: bytes) -> None:
        await self._take(self.lines.feed(piece))

    async def end(self) -> ImportedUsers:
        await self._take(self.lines.end())
        await self._flush()
        self._refuse(self.lines.number)
        return self.done

    async def _take(self, lines: list[ImportLine]) -> None:
        for line in lines:
            if line.number >= self.from_line:
                self.batch.append(line)
                self.size += len(line.text)
                if len(self.batch) == MAX_IMPORT_LINES or self.size >= BATCH_BYTES:
                    await self._flush()

    async def _flush(self) -> None:
        if self.batch:
            batch = tuple(self.batch)
            self.batch, self.size = [], 0
            self.done = summed(self.done, await self.send(batch))
            self._refuse(batch[-1].number)

    def _refuse(self, until: int) -> None:
        """Count the lines up to `until` that are too long. Later lines belong to a later batch."""
        too_long = [number for number in self.lines.too_long if self.from_line <= number <= until]
        self.lines.too_long = [number for number in self.lines.too_long if number > until]
        if too_long:
            detail = f"A line has at most {MAX_LINE_BYTES >> 10} KiB."
            errors = tuple(RefusedLine(number, TooLarge.code, detail) for number in too_long[:MAX_LISTED_ERRORS])
            self.done = summed(self.done, ImportedUsers(failed=len(too_long), last_line=too_long[-1], errors=errors))


def summed(one: ImportedUsers, other: ImportedUsers) -> ImportedUsers:
    errors = sorted((*one.errors, *other.errors), key=lambda error: error.line)[:MAX_LISTED_ERRORS]
    return ImportedUsers(
        one.imported + other.imported,
        one.updated + other.updated,
        one.skipped + other.skipped,
        one.failed + other.failed,
        max(one.last_line, other.last_line),
        tuple(errors),
    )
