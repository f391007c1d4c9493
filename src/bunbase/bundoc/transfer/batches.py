"""Collect the lines of an import into batches, each for one call of the service.

A line that refers to a document of a later line is kept and sent again at the end. Memory holds only one batch, and at
most KEPT_BYTES of kept lines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from bunbase.bundoc.transfer.service import MAX_ERRORS, MAX_LINES, later
from bunbase.contracts.bundoc.backups import Imported
from bunbase.contracts.bundoc.problems import DocumentTooLarge
from bunbase.pkg.line_batches import Batch, BatchLimits, LineBatches
from bunbase.pkg.ndjson import ImportLine, RefusedLine

# A line may have the largest body of one document, and the envelope around it.
MAX_LINE_BYTES: Final = (2 << 20) + 1024
LIMITS: Final = BatchLimits(MAX_LINE_BYTES, MAX_LINES, 4 << 20)
KEPT_BYTES: Final = 4 << 20
MAX_UNRESOLVED: Final = 10_000
# Kept lines are sent at most this often. Each round must import a line; a chain of references needs several rounds.
MAX_ROUNDS: Final = 32

Send = Callable[[Batch], Awaitable[Imported]]


class Importing:
    """One import. `done`: the total result of the batches so far. Lines before `from_line` are skipped."""

    def __init__(self, send: Send, from_line: int = 1) -> None:
        self.send = send
        self.batches = LineBatches(LIMITS, from_line, self._send, self._refuse)
        self.done = Imported(last_line=from_line - 1)
        self.kept: list[ImportLine] = []
        self.room = KEPT_BYTES

    async def feed(self, piece: bytes) -> None:
        await self.batches.feed(piece)

    async def end(self) -> Imported:
        await self.batches.end()
        await self._send_kept()
        return self.done

    @property
    def unresolved(self) -> tuple[int, ...]:
        """The numbers of the lines that lack a document to which they refer, at most MAX_UNRESOLVED."""
        return (*self.done.unresolved, *(line.number for line in self.kept))[:MAX_UNRESOLVED]

    async def _send_kept(self) -> None:
        """Send the kept lines again, as long as a round imports at least one of them."""
        for _ in range(MAX_ROUNDS):
            waiting = len(self.kept)
            if not waiting:
                return
            refused = Imported()
            for start in range(0, waiting, MAX_LINES):
                batch = tuple(self.kept[: min(MAX_LINES, waiting - start)])
                result = await self.send(batch)
                del self.kept[: len(batch)]
                self.room += sum(len(line.text) for line in batch)
                refused = _sum(refused, self._settle(batch, result))
            if len(self.kept) == waiting:
                break
        self.kept = []
        self._add(refused)

    def _settle(self, batch: Batch, result: Imported) -> Imported:
        """Keep the unresolved lines for which there is space, and count all others.

        Return the result of the kept lines.
        """
        kept: set[int] = set()
        unresolved = set(result.unresolved)
        for line in batch:
            if line.number in unresolved and len(line.text) <= self.room:
                self.room -= len(line.text)
                self.kept.append(line)
                kept.add(line.number)
        self._add(
            Imported(
                result.imported,
                result.skipped,
                result.failed - len(kept),
                result.last_line,
                tuple(error for error in result.errors if error.line not in kept),
                tuple(number for number in result.unresolved if number not in kept),
                result.seq,
            )
        )
        errors = tuple(error for error in result.errors if error.line in kept)
        return Imported(failed=len(kept), errors=errors, unresolved=tuple(sorted(kept)))

    async def _send(self, batch: Batch) -> None:
        self._settle(batch, await self.send(batch))

    def _refuse(self, too_long: list[int]) -> None:
        detail = f"A line has at most {MAX_LINE_BYTES} bytes, and a document at most 1 MiB."
        errors = tuple(RefusedLine(number, DocumentTooLarge.code, detail) for number in too_long[:MAX_ERRORS])
        self._add(Imported(failed=len(too_long), last_line=too_long[-1], errors=errors))

    def _add(self, more: Imported) -> None:
        self.done = _sum(self.done, more)


def _sum(one: Imported, other: Imported) -> Imported:
    errors = sorted((*one.errors, *other.errors), key=lambda error: error.line)[:MAX_ERRORS]
    return Imported(
        one.imported + other.imported,
        one.skipped + other.skipped,
        one.failed + other.failed,
        max(one.last_line, other.last_line),
        tuple(errors),
        tuple(sorted((*one.unresolved, *other.unresolved))[:MAX_UNRESOLVED]),
        later(one.seq, other.seq) if other.seq else one.seq,
    )
