"""Compute the groups of an aggregate from rows, and return one page of the groups.

Three limits bound the memory: the number of groups, the number of different values, and the bytes that groups hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from bunbase.bundoc.query.aggregate import Aggregate, GroupField, Value
from bunbase.bundoc.query.date_parts import Truncating
from bunbase.bundoc.query.exact_sums import ExactSum
from bunbase.bundoc.query.order import inverted, key, short_key
from bunbase.bundoc.query.parse import refuse
from bunbase.bundoc.query.rows import Row, identity
from bunbase.bundoc.query.sort import id_key

MAX_GROUPS: Final = 10_000
MAX_DIFFERENT: Final = 200_000  # All $countDistinct together hold at most this many values. Each value takes 100 bytes.
# All keys of groups, and all values of $min, $max, $first, $last and $push, have at most this size.
MAX_HELD_BYTES: Final = 16 << 20
# The positions of the documents whose values $first, $last and $push hold have at most this size.
MAX_POSITIONS_BYTES: Final = 64 << 20
POSITION_BYTES: Final = 150  # The position of a document takes this much memory, without its keys.
MAX_PAGE_BYTES: Final = 8 << 20
# $countDistinct stores a text of up to this many characters; of a longer text, it stores a hash.
SHORT: Final = 64


class Held:
    """Counts the values and bytes that the groups of one aggregate hold, and enforces the limits."""

    def __init__(self) -> None:
        self.bytes = 0
        self.positions = 0
        self.different = 0

    def hold(self, value: Any, instead_of: Any = None) -> None:
        """Count the bytes of values. Raises: InvalidQuery if all values together are too large."""
        self.bytes += _size(value) - _size(instead_of)
        if self.bytes > MAX_HELD_BYTES:
            refuse("/values", f"The values of all groups have more than {MAX_HELD_BYTES >> 20} MiB: narrow the filter.")

    def place(self, position: bytes) -> None:
        """Count the position of a document.

        Raises: InvalidQuery if all positions together are too large. Positions may be larger than the values.
        """
        self.positions += POSITION_BYTES + len(position)
        if self.positions > MAX_POSITIONS_BYTES:
            why = "$first, $last and $push would hold the places of too many documents"
            refuse("/values", f"{why}: narrow the filter, set a lower limit, or sort by shorter values.")

    def displace(self, position: bytes) -> None:
        self.positions -= POSITION_BYTES + len(position)

    def tell_apart(self) -> None:
        """Count one more different value. Raises: InvalidQuery if there are too many different values."""
        self.different += 1
        if self.different > MAX_DIFFERENT:
            refuse("/values", f"$countDistinct tells at most {MAX_DIFFERENT} values apart: narrow the filter.")


class GroupPage(msgspec.Struct, frozen=True):
    """`items`: the groups, each encoded as JSON. `last`: the position of the last item if there are more groups."""

    items: tuple[bytes, ...]
    last: bytes | None = None


def grouped(rows: Iterable[Row], asked: Aggregate, after: bytes | None = None) -> GroupPage:
    """Return the groups after the position `after`, in the order of the aggregate.

    Raises: InvalidQuery if there are too many groups, or if they hold too much.
    """
    made = _Groups(asked)
    for row in rows:
        made.add(row)
    items = sorted((made.item(one) for one in made.groups.values()), key=lambda one: one[0])
    found: list[bytes] = []
    size, last = 0, b""
    for position, item in items:
        if after is not None and position <= after:
            continue
        if len(found) == asked.limit or size > MAX_PAGE_BYTES:
            return GroupPage(tuple(found), last)
        found.append(msgspec.json.encode(item))
        size, last = size + len(found[-1]), position
    return GroupPage(tuple(found))


class _Group:
    def __init__(self, keys: tuple[Any, ...], made: list[Any]) -> None:
        self.keys = keys
        self.made = made


class _Groups:
    def __init__(self, asked: Aggregate) -> None:
        self.asked = asked
        self.held = Held()
        self.groups: dict[tuple[Any, ...], _Group] = {}
        reads = asked.reads
        width = len(asked.group)
        self.slots = [
            reads.paths.index(field.path) if reads.each is None else number for number, field in enumerate(asked.group)
        ]
        place = {path: number for number, path in enumerate(reads.paths) if reads.each is None or number >= width}
        self.truncating = [Truncating(field.by) if field.by else None for field in asked.group]
        self.plain = not any(field.each or field.by for field in asked.group)
        self.makers = [_maker(value, place, self.held) for value in asked.values]
        if not width:
            self.groups[()] = self._new(())

    def add(self, row: Row) -> None:
        if self.plain:
            self._add(row, tuple([row.values[slot] for slot in self.slots]))
            return
        for keys in self._keys(row.values):
            self._add(row, keys)

    def _add(self, row: Row, keys: tuple[Any, ...]) -> None:
        at = tuple([identity(one) for one in keys])
        group = self.groups.get(at)
        if group is None:
            group = self.groups[at] = self._new(keys)
        for one in group.made:
            one.add(row)

    def item(self, group: _Group) -> tuple[bytes, dict[str, Any]]:
        """Return the group in the form of the answer, and its position in the order."""
        keys = [unpacked(one) for one in group.keys]
        shown = [one[1] if isinstance(one, tuple) else one for one in keys]
        item = dict(zip([field.name for field in self.asked.group], shown, strict=True))
        item |= {value.name: one.value() for value, one in zip(self.asked.values, group.made, strict=True)}
        instants = {field.name: one for field, one in zip(self.asked.group, keys, strict=True)}
        position = b""
        for name, descending in self.asked.order:
            sorted_by = instants[name] if name in instants else _whole(item[name])
            part = short_key(sorted_by[0] if isinstance(sorted_by, tuple) else sorted_by)
            position += inverted(part) if descending else part
        return position + b"".join(short_key(one[0] if isinstance(one, tuple) else one) for one in keys), item

    def _new(self, keys: tuple[Any, ...]) -> _Group:
        if len(self.groups) == MAX_GROUPS:
            refuse("/group", f"There are more than {MAX_GROUPS} groups: use a narrower filter.")
        kept = tuple([packed(one) for one in keys])
        for one in kept:
            self.held.hold(one)
        return _Group(kept, [make() for make in self.makers])

    def _keys(self, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Return the keys of the groups that the row belongs to."""
        found: list[tuple[Any, ...]] = [()]
        for field, slot, truncating in zip(self.asked.group, self.slots, self.truncating, strict=True):
            value = values[slot]
            parts = [truncating.moment(value)] if truncating else _parts(field, value)
            found = [(*before, part) for before in found for part in parts]
        return found


def _parts(field: GroupField, value: Any) -> list[Any]:
    """Return the parts of keys that belong to a value."""
    if field.each and isinstance(value, tuple):
        return list(value)  # The elements are all different.
    return [value]


def packed(value: Any) -> Any:
    """Return an object or an array as JSON, because the Python object may take 30 times as many bytes."""
    return msgspec.Raw(msgspec.json.encode(value)) if isinstance(value, dict | list) else value


def unpacked(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def _whole(value: Any) -> Any:
    return [unpacked(one) for one in value] if isinstance(value, list) else unpacked(value)


class _Count:
    def __init__(self) -> None:
        self.documents = 0

    def add(self, row: Row) -> None:
        self.documents += row.documents

    def value(self) -> int:
        return self.documents


class _Sum:
    def __init__(self, slot: int, mean: bool) -> None:
        self.slot = slot
        self.mean = mean
        self.sum = ExactSum()

    def add(self, row: Row) -> None:
        self.sum.add(row.values[self.slot], row.documents)

    def value(self) -> int | float | None:
        return self.sum.mean() if self.mean else self.sum.total()


class _Extreme:
    """Finds the smallest or the largest value, by `query.order`. Null does not count."""

    def __init__(self, slot: int, largest: bool, held: Held) -> None:
        self.slot = slot
        self.largest = largest
        self.held = held
        self.found: Any = None
        self.key: bytes | None = None

    def add(self, row: Row) -> None:
        value = row.values[self.slot]
        if value is None:
            return
        at = key(value)
        if self.key is None or (at > self.key if self.largest else at < self.key):
            value = packed(value)
            self.held.hold(value, self.found)
            self.held.hold(at, self.key)
            self.found, self.key = value, at

    def value(self) -> Any:
        return self.found


class _Different:
    """Counts the different values, without null."""

    def __init__(self, slot: int, held: Held) -> None:
        self.slot = slot
        self.held = held
        self.seen: set[Any] = set()

    def add(self, row: Row) -> None:
        value = row.values[self.slot]
        if value is None:
            return
        at = identity(value)
        if isinstance(at, str | bytes) and len(at) > SHORT:
            at = b"#" + hashlib.sha256(key(value)).digest()
        if at not in self.seen:
            self.held.tell_apart()
            self.seen.add(at)

    def value(self) -> int:
        return len(self.seen)


class _Ordered:
    """Collects the values of the first or last documents in the order of `sort`, with their positions."""

    def __init__(self, of: Value, slot: int, by: list[tuple[int, bool]], held: Held) -> None:
        self.of = of
        self.slot = slot
        self.by = by
        self.held = held
        self.found: list[tuple[bytes, Any]] = []

    def add(self, row: Row) -> None:
        parts = [(short_key(row.values[slot]), descending) for slot, descending in self.by]
        position = b"".join([inverted(part) if descending else part for part, descending in parts])
        position += id_key(self.of.order, row.id)
        if self.of.operator == "$last":
            position = inverted(position)
        if len(self.found) == self.of.limit and position > self.found[-1][0]:
            return
        value = packed(row.values[self.slot])
        self.held.hold(value)
        self.held.place(position)
        self.found.append((position, value))
        self.found.sort(key=lambda one: one[0])
        for left, dropped in self.found[self.of.limit :]:
            self.held.hold(None, dropped)
            self.held.displace(left)
        del self.found[self.of.limit :]

    def value(self) -> Any:
        values = [value for _, value in self.found]
        return values if self.of.operator == "$push" else next(iter(values), None)


Accumulator = _Count | _Sum | _Extreme | _Different | _Ordered


def _maker(value: Value, place: dict[Any, int], held: Held) -> Callable[[], Accumulator]:
    if value.operator == "$count":
        return _Count
    slot = place[value.path]
    match value.operator:
        case "$sum" | "$avg":
            return lambda: _Sum(slot, value.operator == "$avg")
        case "$min" | "$max":
            return lambda: _Extreme(slot, value.operator == "$max", held)
        case "$countDistinct":
            return lambda: _Different(slot, held)
        case _:
            by = [(place[field.path], field.descending) for field in value.order.fields]
            return lambda: _Ordered(value, slot, by, held)


def _size(value: Any) -> int:
    """Return the approximate number of bytes that a value takes."""
    if value is None:
        return 0
    if isinstance(value, str | bytes):
        return 50 + len(value)
    return 80 + len(bytes(value)) if isinstance(value, msgspec.Raw) else 32
