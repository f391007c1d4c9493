"""The rows of a result that a group holds: those that callers see, and some spare rows behind them."""

from __future__ import annotations

from binascii import crc32
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

import msgspec

from bunbase.bundoc.live.asked import SPARES

by_key = attrgetter("key")


class HeldRow(msgspec.Struct, frozen=True):
    """`key`: the position in the order of the query, which is unique. `body`: the bytes that callers get.

    `rev`: the revision, if callers get it; otherwise 0. `mark`, `length`: the hash and the length of a body that was let
    go of; then `body` is empty.
    """

    key: bytes
    id: str
    body: bytes
    rev: int
    mark: int = 0
    length: int = 0

    @property
    def size(self) -> int:
        return len(self.body) or self.length

    def without_body(self) -> HeldRow:
        return HeldRow(self.key, self.id, b"", self.rev, hash(self.body), len(self.body)) if self.body else self

    def shows_the_same(self, other: HeldRow | None) -> bool:
        """True if clients that hold the other row need not be told this one."""
        if other is None or self is other:
            return other is not None
        if self.body and other.body:
            return self.key == other.key and self.body == other.body
        return self.key == other.key and self._hash == other._hash

    @property
    def _hash(self) -> int:
        return hash(self.body) if self.body else self.mark


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
    def lacks_rows(self) -> bool:
        """True if rows that belong to the result may not be held."""
        return self.more and len(self.rows) < self.limit

    @property
    def has_bodies(self) -> bool:
        """True if the rows that callers see have their bodies."""
        return all(row.body for row in self.shown)

    def drop_bodies(self, unless_changed_from: Mapping[str, HeldRow] | None = None) -> None:
        """Let go of bodies, except those of shown rows that are not shown the same as the given ones."""
        told = unless_changed_from
        self.rows = [
            row if told is not None and index < self.limit and not row.shows_the_same(told.get(row.id))
            else row.without_body()
            for index, row in enumerate(self.rows)
        ]  # fmt: skip
        self.by_id = {row.id: row for row in self.rows}

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
    return gone, [(index, row) for index, row in enumerate(new) if not row.shows_the_same(before.get(row.id))]
