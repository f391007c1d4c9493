"""Collect the lines of an import into batches, each for one call of the service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from bunbase.contracts.tenant_auth.transfers import MAX_IMPORT_LINES, MAX_LISTED_ERRORS, ImportedUsers
from bunbase.pkg.errors import TooLarge
from bunbase.pkg.line_batches import Batch, BatchLimits, LineBatches
from bunbase.pkg.ndjson import RefusedLine

# A line may have three times the size of the largest allowed data, claims and identities.
MAX_LINE_BYTES: Final = 64 << 10
LIMITS: Final = BatchLimits(MAX_LINE_BYTES, MAX_IMPORT_LINES, 1 << 20)

Send = Callable[[Batch], Awaitable[ImportedUsers]]


class ImportingUsers:
    """One import. `done`: the total result of the batches so far. Lines before `from_line` are skipped."""

    def __init__(self, send: Send, from_line: int = 1) -> None:
        self.send = send
        self.batches = LineBatches(LIMITS, from_line, self._send, self._refuse)
        self.done = ImportedUsers(last_line=from_line - 1)

    async def feed(self, piece: bytes) -> None:
        await self.batches.feed(piece)

    async def end(self) -> ImportedUsers:
        await self.batches.end()
        return self.done

    async def _send(self, batch: Batch) -> None:
        self.done = summed(self.done, await self.send(batch))

    def _refuse(self, too_long: list[int]) -> None:
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
