"""The rows of a result that a group holds: the rows that callers see, and some spare rows after them."""

from __future__ import annotations

from binascii import crc32
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Final

import msgspec

from bunbase.bundoc.live.asked import SPARES

DIGEST_BYTES: Final = 16
ROW_BYTES: Final = 300  # A row takes this much memory, without its body.

by_key = attrgetter("key")


class HeldRow(msgspec.Struct, frozen=True):
    """One row of a result. `key`: the unique position in the order of the query. `body`: the bytes that callers get.

    `rev`: the revision if callers get it, and otherwise 0. A change that callers cannot see must not change a row.
    `slim`: true if `body` is only a digest of these bytes.
    """

    key: bytes
    id: str
    body: bytes
    rev: int = 0
    slim: bool = False

    def slimmed(self) -> HeldRow:
        if self.slim:
            return self
        return HeldRow(self.key, self.id, blake2b(self.body, digest_size=DIGEST_BYTES).digest(), self.rev, True)


class Window:
    """The rows of a result in the order of the query. `more`: true if the result has further rows.

    `edge`: if `more` is true, the key up to which all rows are held.
    """

    def __init__(self, rows: Iterable[HeldRow], limit: int, more: bool, count: int | None) -> None:
        self.rows = sorted(rows, key=by_key)
        self.by_id = {row.id: row for row in self.rows}
        self.limit = limit
        self.more = more
        self.edge = self.rows[-1].key if self.rows else b""
        self.count = count
        self.bytes = sum([len(row.body) for row in self.rows])  # the size of all bodies

    @property
    def shown(self) -> list[HeldRow]:
        return self.rows[: self.limit]

    @property
    def total_bytes(self) -> int:
        """The memory that the rows take with their bodies."""
        return self.bytes + ROW_BYTES * len(self.rows)

    @property
    def lacks_rows(self) -> bool:
        """True if the window may lack rows that belong to the result."""
        return self.more and len(self.rows) < self.limit

    def change(self, id: str, row: HeldRow | None, counted: int) -> None:
        """Replace the row of a document. `row`: the new row; None if the document has left the result.

        `counted`: the difference in the number of all documents in the result.
        """
        if (held := self.by_id.pop(id, None)) is not None:
            del self.rows[bisect_left(self.rows, held.key, key=by_key)]
            self.bytes -= len(held.body)
        if row is not None and (not self.more or row.key <= self.edge):
            insort(self.rows, row, key=by_key)
            self.by_id[id] = row
            self.bytes += len(row.body)
        if self.count is not None:
            self.count += counted
        self._cut()

    def _cut(self) -> None:
        """Drop spare rows if the window has twice as many as it needs."""
        if len(self.rows) <= self.limit + 2 * SPARES:
            return
        for row in self.rows[self.limit + SPARES :]:
            del self.by_id[row.id]
            self.bytes -= len(row.body)
        del self.rows[self.limit + SPARES :]
        self.more, self.edge = True, self.rows[-1].key


def digest(rows: Sequence[HeldRow]) -> int:
    """Return the digest of the rows, as `contracts.bundoc.live.Check` describes it."""
    return crc32("".join([f"{row.id} {row.rev}\n" for row in rows]).encode())


def difference(old: Sequence[HeldRow], new: Sequence[HeldRow]) -> tuple[list[str], list[tuple[int, HeldRow]]]:
    """Return the ids of removed rows, and the rows to insert.

    Each row to insert has its index in `new`, the list of the new rows.
    """
    before = {row.id: row for row in old}
    there = {row.id for row in new}
    gone = [row.id for row in old if row.id not in there]
    put = [(index, row) for index, row in enumerate(new) if before.get(row.id) != row]
    if old and old[0].slim:
        put = [(index, row) for index, row in put if before.get(row.id) != row.slimmed()]
    return gone, put
