"""Derive a filter from a rule, for the choice of an index. Every document that the rule allows matches this filter.

The filter may match more documents than the rule allows. The filter only limits which documents are read; the rule
decides about each of these documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from bunbase.bundoc.query.filters import (
    EVERYTHING,
    MAX_INTEGER,
    MIN_INTEGER,
    NOTHING,
    And,
    Compare,
    Exists,
    Filter,
    Op,
    Or,
    Path,
    StartsWith,
)
from bunbase.bundoc.query.parse import MAX_PATH_PARTS, MAX_TERMS
from bunbase.bundoc.rules.sql_tests import Constant, Failure
from bunbase.pkg.rules.check import SYSTEM_FIELDS
from bunbase.pkg.rules.syntax import Both, Call, Either, Field, Has, Index, Literal, Name, Node, Operation

MIRRORED: Final[dict[str, Op]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "="}
SIGNS: Final[dict[str, Op]] = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "==": "="}

ValueOf = Callable[[Node], Constant | Failure | None]  # None means that the node depends on the document.


class Paths:
    """The paths that the nodes of one rule name. Paths depend only on the rule, so each path is derived once.

    The rule keeps its nodes, so the id of a node stays valid.
    """

    def __init__(self) -> None:
        self.known: dict[int, Path | None] = {}

    def of(self, node: Node) -> Path | None:
        """Return the same as `path_of`. For `has(a.b)`, this is the path of `a.b`."""
        key = id(node)
        if key in self.known:
            return self.known[key]
        named = Field(of=node.of, name=node.name, start=node.start, end=node.end) if isinstance(node, Has) else node
        path = self.known[key] = path_of(named)
        return path


class Implied:
    """The filters that one rule implies for one caller. The filter of each part is derived once.

    `value_of`: returns the value of a part for the caller. `paths`: the paths of the rule.
    """

    def __init__(self, value_of: ValueOf, paths: Paths) -> None:
        self.value_of = value_of
        self.path_of = paths.of
        self.known: dict[int, Filter] = {}

    def filter(self, node: Node) -> Filter:
        """Return a filter that every document matches for which the node is true."""
        key = id(node)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._filter(node)
        return found

    def words(self, node: Node) -> tuple[Filter, ...]:
        """Return all tests of single fields in the rule, as filters.

        A caller whose filter repeats one of these tests learns nothing new, because the rule makes the same test for
        every document.
        """
        match node:
            case Both(of=parts) | Either(of=parts):
                return tuple([word for part in parts for word in self.words(part)])
            case Operation(sign="in", left=left, right=right) if (path := self.path_of(right)) is not None:
                sought = self.value_of(left)
                known = isinstance(sought, Constant) and _is_scalar(sought.value)
                return (Compare(path, "=", sought.value),) if known and isinstance(sought, Constant) else ()
            case _:
                said = self.filter(node)
                return () if said in (EVERYTHING, NOTHING) else (said,)

    def is_all(self, node: Node) -> bool:
        """True if `filter` equals the rule for all documents that have no array on its paths."""
        if self.value_of(node) is not None:
            return True
        match node:
            case Both(of=parts):
                return all(self.is_all(part) for part in parts)
            case Either(of=parts):
                return self.filter(node) != EVERYTHING and all(self.is_all(part) for part in parts)
            case Operation(sign="==" | "in") | Field() | Index():
                return self.filter(node) != EVERYTHING
            case _:
                return False

    def _filter(self, node: Node) -> Filter:
        known = self.value_of(node)
        if known is not None:
            return EVERYTHING if isinstance(known, Constant) and known.value is True else NOTHING
        match node:
            case Both(of=parts):
                return And(tuple([self.filter(part) for part in parts]))
            case Either(of=parts):
                return _any_of([self.filter(part) for part in parts])
            case Operation(sign="in", left=left, right=right):
                return _among(self.path_of(left), self.value_of(right))
            case Operation(sign="==" | "<" | "<=" | ">" | ">=" as sign, left=left, right=right):
                return self._compared(sign, left, right)
            case Call(name="startsWith", of=(of, sought)):
                return _begins(self.path_of(of), self.value_of(sought))
            case Has():
                path = self.path_of(node)
                return EVERYTHING if path is None else Exists(path)
            case Field() | Index():
                path = self.path_of(node)
                return EVERYTHING if path is None else Compare(path, "=", True)
            case _:
                return EVERYTHING

    def _compared(self, sign: str, left: Node, right: Node) -> Filter:
        path, known, op = self.path_of(left), self.value_of(right), SIGNS[sign]
        if known is None:
            path, known, op = self.path_of(right), self.value_of(left), MIRRORED[sign]
        if isinstance(known, Failure):
            return NOTHING
        if path is None or known is None or not _is_scalar(known.value):
            return EVERYTHING
        return Compare(path, op, known.value)


def _among(path: Path | None, within: Constant | Failure | None) -> Filter:
    """Return the filter of `doc.field in constant`.

    `constant in doc.list` implies no filter: for a map, the rule tests its keys, and a filter cannot do this.
    """
    if isinstance(within, Failure):
        return NOTHING
    if path is None or within is None or not isinstance(within.value, list | dict) or len(within.value) > MAX_TERMS:
        return EVERYTHING
    if not all(_is_scalar(value) for value in within.value):
        return EVERYTHING
    return _either([Compare(path, "=", value) for value in within.value])


def _begins(path: Path | None, sought: Constant | Failure | None) -> Filter:
    if path is None or not isinstance(sought, Constant) or not isinstance(sought.value, str):
        return EVERYTHING
    return StartsWith(path, sought.value)


def _any_of(parts: list[Filter]) -> Filter:
    """Return the alternatives as one flat Or, so that an index can use the tests of one field as a list of values."""
    if EVERYTHING in parts:
        return EVERYTHING
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Or) else (part,))
    return _either(flat) if len(flat) <= MAX_TERMS else EVERYTHING


def _either(parts: Sequence[Filter]) -> Filter:
    """Return the alternatives as one filter.

    A single alternative is returned without an Or, so that an index on its field can also have the order of the result.
    """
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def path_of(node: Node) -> Path | None:
    """Return the path in the document that the node names, or None if filters cannot name it."""
    parts: list[str] = []
    while not isinstance(node, Name):
        match node:
            case Field(of=of, name=str(name)) | Index(of=of, at=Literal(value=str(name))):
                parts.append(name)
                node = of
            case _:
                return None
    plain = all(part.isascii() and part.isidentifier() for part in parts)
    if node.name != "doc" or not 1 <= len(parts) <= MAX_PATH_PARTS or not plain:
        return None
    path = tuple(reversed(parts))
    return None if path[0].startswith("_") and (path[0] not in SYSTEM_FIELDS or len(path) > 1) else path


def _is_scalar(value: Any) -> bool:
    """True if filters and rules compare this value in the same way."""
    match value:
        case bool() | str():
            return True
        case int():
            return MIN_INTEGER <= value <= MAX_INTEGER
        case float():
            return math.isfinite(value)
        case _:
            return False
