"""The classes of a parsed filter. `path` holds the parts of a dotted path; an empty path means the current value."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

Path = tuple[str, ...]
Scalar = str | int | float | bool
Op = Literal["=", "<", "<=", ">", ">="]

MIN_INTEGER: Final = -(1 << 63)
MAX_INTEGER: Final = (1 << 63) - 1


class Node(msgspec.Struct, frozen=True, tag=True):
    """One statement about a document."""


class And(Node, frozen=True):
    parts: tuple[Filter, ...]


class Or(Node, frozen=True):
    parts: tuple[Filter, ...]


class Not(Node, frozen=True):
    part: Filter


class Compare(Node, frozen=True):
    """A value at the path, or an element of an array there, has the type of `value`, and the comparison `op` of the two
    values is true.
    """

    path: Path
    op: Op
    value: Scalar


class Same(Node, frozen=True):
    """A value at the path equals an object or array, including the order of the fields.

    `key`: the result of `order.key`.
    """

    path: Path
    key: bytes


class IsNull(Node, frozen=True):
    """The path leads to null, or to no value."""

    path: Path


class StartsWith(Node, frozen=True):
    path: Path
    prefix: str


class Matches(Node, frozen=True):
    """A string at the path, or in an array there, matches the pattern. All strings that match start with
    `beginning`.
    """

    path: Path
    pattern: str
    beginning: str = ""


class Exists(Node, frozen=True):
    path: Path


class Size(Node, frozen=True):
    path: Path
    length: int


class HasType(Node, frozen=True):
    """The value at the path, or an element of an array there, has one of these types (`predicate.type_of`)."""

    path: Path
    types: tuple[str, ...]


class Remainder(Node, frozen=True):
    """A number at the path, or in an array there, has this remainder after a division.

    The division ignores the number's fraction; the remainder has the number's sign.
    """

    path: Path
    divisor: int
    remainder: int


class Element(Node, frozen=True):
    """An element of an array at the path matches `part`, whose paths start at the element.

    `objects`: true if only elements that are objects can match.
    """

    path: Path
    part: Filter
    objects: bool


Filter = And | Or | Not | Compare | Same | IsNull | StartsWith | Matches | Exists | Size | HasType | Remainder | Element

EVERYTHING: Final = And(())
NOTHING: Final = Or(())


def whole(value: Any) -> int | None:
    """Return a number without a fraction as an integer.

    Return None for all other values and for integers beyond 64 bits.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if MIN_INTEGER <= value <= MAX_INTEGER else None


def number(value: float) -> int | float:
    """Return the number for comparisons: an integer beyond 64 bits becomes the nearest double."""
    return value if isinstance(value, float) or MIN_INTEGER <= value <= MAX_INTEGER else float(value)
