"""One change of an update: an operator, a path, and the operand that the operator needs."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from bunbase.bundoc.query.filters import Filter
from bunbase.contracts.bundoc.problems import InvalidUpdate

OPERATORS: Final = (
    "$set", "$unset", "$rename", "$setOnInsert", "$now", "$currentDate", "$inc", "$mul", "$min", "$max", "$bit",
    "$push", "$addToSet", "$pop", "$pull", "$pullAll",
)  # fmt: skip
# These operators have no effect on a missing path.
REMOVING: Final = frozenset({"$unset", "$pop", "$pull", "$pullAll", "$rename"})
# Matches the position of all elements, or of the elements of an array filter.
POSITION: Final = re.compile(r"\$\[([a-z][A-Za-z0-9]{0,63})?\]")

Path = tuple[str, ...]


class ElementTest(msgspec.Struct, frozen=True):
    """A test of elements of an array.

    `where`: a filter, None if only a value with the key `equal` passes. `name`: the field of the filter that means the
    element, so that an array is tested like the value of a field. If the paths of the filter start at the element,
    which then must be an object, `name` is "". `parts`: the size of the filter. `program`: the number of instructions
    of its patterns.
    """

    where: Filter | None = None
    equal: bytes = b""
    name: str = ""
    parts: int = 1
    program: int = 0


class Additions(msgspec.Struct, frozen=True):
    """The values that `$push` or `$addToSet` adds, and the modifiers of `$push`.

    `sort`: the paths of the order, each with true for descending order; the empty path is the whole element.
    """

    values: tuple[msgspec.Raw, ...]
    position: int | None = None
    slice: int | None = None
    sort: tuple[tuple[Path, bool], ...] = ()


class Unwanted(msgspec.Struct, frozen=True):
    """The keys of the values that `$pullAll` removes."""

    keys: frozenset[bytes]


class Bits(msgspec.Struct, frozen=True):
    """The steps of `$bit`, such as ("and", 7)."""

    steps: tuple[tuple[str, int], ...]


Filters = dict[str, ElementTest]
# Path is the operand of $rename, and int is the operand of $pop.
Operand = Additions | ElementTest | Unwanted | Bits | Path | int | None


class Change(msgspec.Struct, frozen=True):
    """An operator of an update with one path and its value.

    `filters`: the array filters that the path names. `sent`: the path as it was sent, if positions replace parts of it.
    """

    operator: str
    path: Path
    value: msgspec.Raw
    operand: Operand = None
    filters: Filters = {}
    sent: Path = ()

    @property
    def written(self) -> str:
        return ".".join(self.sent or self.path)


def is_position(part: str) -> bool:
    return POSITION.fullmatch(part) is not None


def invalid(at: Path, message: str) -> InvalidUpdate:
    """Return the problem. `at` becomes a JSON Pointer (RFC 6901), and `detail` also names it."""
    path = pointer(at)
    return InvalidUpdate.at(path, message, f"{path}: {message}" if path else message)


def pointer(at: Path) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in at)
