"""The rows of a result that a group holds: those that callers see, and some spare rows behind them."""

from __future__ import annotations

from binascii import crc32
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final

import msgspec

from bunbase.bundoc.live.asked import SPARES

ROW_BYTES: Final = 350  # of a row in memory, in addition to its body

by_key = attrgetter("key")


class HeldRow(msgspec.Struct, frozen=True):
    """`key`: the position in the order of the query, which is unique. `body`: the bytes that callers get.

    `rev`: the revision, if callers get it; otherwise 0, because a change that callers do not see must change no row.
    """

    key: bytes
    id: str
    body: bytes
    rev: int = 0


class Window:
    """Rows in the order of the query. `more`: there are rows behind the last one, which are not held.

    `edge`: then, the key up to which all rows are held.
    """

    def __init__(self, rows: Iterable[HeldRow], limit: int, more: bool, count: int | None) -> None:
        self.rows = sorted(rows, key=by_key)
        self.by_id = {row.id: row for row in self.rows}
        self.limit = limit
        self.more = more
        self.edge = self.rows[-1].key if self.rows else b""
        self.count = count

    @property
    def shown(self) -> list[HeldRow]:
        return self.rows[: self.limit]

    @property
    def held_bytes(self) -> int:
        """How much memory the rows take."""
        return sum([len(row.body) + ROW_BYTES for row in self.rows])

    @property
    def lacks_rows(self) -> bool:
        """True if rows that belong to the result may not be held."""
        return self.more and len(self.rows) < self.limit

    def change(self, id: str, row: HeldRow | None, counted: int) -> None:
        """Put the row of a document in the place of the one that is held; None if it has left the result.

        `counted`: by how much the number of all documents in the result changes.
        """
        if (held := self.by_id.pop(id, None)) is not None:
            del self.rows[bisect_left(self.rows, held.key, key=by_key)]
        if row is not None and (not self.more or row.key <= self.edge):
            insort(self.rows, row, key=by_key)
            self.by_id[id] = row
        if self.count is not None:
            self.count += counted
        self._cut()

    def _cut(self) -> None:
        """Let go of spare rows if there are twice as many as needed."""
        if len(self.rows) <= self.limit + 2 * SPARES:
            return
        for row in self.rows[self.limit + SPARES :]:
            del self.by_id[row.id]
        del self.rows[self.limit + SPARES :]
        self.more, self.edge = True, self.rows[-1].key


def digest(rows: Sequence[HeldRow]) -> int:
    """Return the digest of `contracts.bundoc.live.Check`."""
    return crc32("".join([f"{row.id} {row.rev}\n" for row in rows]).encode())


def difference(old: Sequence[HeldRow], new: Sequence[HeldRow]) -> tuple[list[str], list[tuple[int, HeldRow]]]:
    """Return the ids that are gone, and the rows to put, with their indexes in `new`."""
    before = {row.id: row for row in old}
    there = {row.id for row in new}
    gone = [row.id for row in old if row.id not in there]
    return gone, [(index, row) for index, row in enumerate(new) if before.get(row.id) != row]
