"""What a filter says, as a tree. `path` is a dotted path in parts; the empty path is the value at hand itself."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Path = tuple[str, ...]
Scalar = str | int | float | bool
Op = Literal["=", "<", "<=", ">", ">="]

MIN_INTEGER: Final = -(1 << 63)
MAX_INTEGER: Final = (1 << 63) - 1


class Node(msgspec.Struct, frozen=True, tag=True):
    """One proposition about a document."""


class And(Node, frozen=True):
    parts: tuple[Filter, ...]


class Or(Node, frozen=True):
    parts: tuple[Filter, ...]


class Not(Node, frozen=True):
    part: Filter


class Compare(Node, frozen=True):
    """Some value at the path, an element of an array too, is of the same type and compares so."""

    path: Path
    op: Op
    value: Scalar


class Same(Node, frozen=True):
    """Some value at the path equals an object or array: the same fields in the same order."""

    path: Path
    key: bytes


class IsNull(Node, frozen=True):
    """The path leads nowhere, or to null."""

    path: Path


class StartsWith(Node, frozen=True):
    path: Path
    prefix: str


class Matches(Node, frozen=True):
    """A string at the path, or in an array there, has a part that matches. `beginning`: how all such strings begin."""

    path: Path
    pattern: str
    beginning: str = ""


class Exists(Node, frozen=True):
    path: Path


class Size(Node, frozen=True):
    path: Path
    length: int


class Element(Node, frozen=True):
    """One element of an array at the path fulfils `part`, whose paths start at it. `objects`: only objects can."""

    path: Path
    part: Filter
    objects: bool


Filter = And | Or | Not | Compare | Same | IsNull | StartsWith | Matches | Exists | Size | Element

EVERYTHING: Final = And(())
NOTHING: Final = Or(())


def number(value: float) -> int | float:
    """Give the number as it is compared: an integer of 64 bits, else the nearest double."""
    return value if isinstance(value, float) or MIN_INTEGER <= value <= MAX_INTEGER else float(value)
