"""One page of the objects of a bucket, in the order of the bytes of their keys.

Keys that have the delimiter after the prefix are grouped up to the delimiter. The scan jumps over the rest of a group
when it has seen one visible object of it. So a group of a million objects costs one look-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

import apsw
import msgspec

from bunbase.storage.store.objects import COLUMNS, ObjectRow, row_of

BATCH: Final = 200


class Visible(Protocol):
    """Decides which objects the caller may see. `spent`: True if the page must end because this took too long."""

    @property
    def spent(self) -> bool: ...

    def __call__(self, row: ObjectRow, /) -> bool: ...


class Everything:
    """Shows each object."""

    spent = False

    def __call__(self, _row: ObjectRow) -> bool:
        return True


class PageRequest(msgspec.Struct, frozen=True):
    """A request for one page of a list. `start`: the first key that may be on the page. `budget`: the number of objects
    that the page may examine.
    """

    bucket: int
    prefix: bytes
    delimiter: bytes
    start: bytes
    limit: int
    budget: int


class Page(msgspec.Struct):
    """One page of a list. `next`: the `start` of the next page, or None."""

    objects: list[ObjectRow] = msgspec.field(default_factory=list)
    groups: list[bytes] = msgspec.field(default_factory=list)
    next: bytes | None = None

    @property
    def count(self) -> int:
        return len(self.objects) + len(self.groups)


def read_page(connection: apsw.Connection, asked: PageRequest, visible: Visible) -> Page:
    """Return a page. It ends early when the budget or the time of `visible` is used up. Then `next` goes on after the
    last examined object, so that no object is left out.
    """
    page, at, examined = Page(), max(asked.start, asked.prefix), 0
    while True:
        for row in _rows(connection, asked, at):
            if page.count >= asked.limit or examined >= asked.budget or visible.spent:
                page.next = row.key
                return page
            examined += 1
            at = row.key + b"\0"
            if not visible(row):
                continue
            if (group := _group(row.key, asked)) is None:
                page.objects.append(row)
                continue
            page.groups.append(group)
            at = after_all(group)
            break
        else:
            return page


def after_all(prefix: bytes) -> bytes:
    """Return the smallest bytes that come after every key with this prefix. No byte of UTF-8 is 255."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _group(key: bytes, asked: PageRequest) -> bytes | None:
    if not asked.delimiter:
        return None
    at = key.find(asked.delimiter, len(asked.prefix))
    return None if at < 0 else key[: at + len(asked.delimiter)]


def _rows(connection: apsw.Connection, asked: PageRequest, at: bytes) -> Iterator[ObjectRow]:
    """Yield the objects from `at` on, read in batches, so that a jump leaves no unread rows. With a delimiter, the
    first batches are small: often the first object already leads to a jump.
    """
    last = after_all(asked.prefix) if asked.prefix else None
    end = "" if last is None else " AND key < ?"
    # an index range: the key alone decides, and OFFSET is never needed
    query = f"SELECT {COLUMNS} FROM objects WHERE bucket = ? AND key >= ?{end} ORDER BY key LIMIT ?"
    size = 1 if asked.delimiter else BATCH
    while True:
        values = (asked.bucket, at) if last is None else (asked.bucket, at, last)
        rows = connection.execute(query, (*values, size)).fetchall()
        for row in rows:
            yield row_of(row)
        if len(rows) < size:
            return
        last_key: Any = rows[-1][2]
        at, size = last_key + b"\0", min(BATCH, size * 4)
