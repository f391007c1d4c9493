"""Translate a filter to SQL with the same meaning as `predicate.matches`.

The SQL reads a row `d` whose column `body` is the stored JSON. Each part yields 0 or 1, never NULL, so NOT is exact.
Values and paths are parameters, never text of the statement. json_each reads the array on a path. Any other value on a
path is wrapped in an array first, so that the same SQL works for all values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, assert_never

import msgspec

from bunbase.bundoc.query.condition import FALSE, MATCHES_FUNCTION, TRUE, Condition
from bunbase.bundoc.query.filters import (
    MAX_INTEGER,
    MIN_INTEGER,
    And,
    Compare,
    Element,
    Exists,
    Filter,
    HasType,
    IsNull,
    Matches,
    Not,
    Or,
    Path,
    Remainder,
    Same,
    Scalar,
    Size,
    StartsWith,
)
from bunbase.contracts.bundoc.problems import InvalidQuery

# This SQL function turns JSON text into the key of `order.key`, because SQL cannot compare objects.
KEY_FUNCTION: Final = "bundoc_key"

MAX_NESTED: Final = 20  # Our SQL nests calls of json_each at most this deeply. SQLite allows 24 levels.

COLUMNS: Final = {
    "_id": ("'text'", "d.id"),
    "_rev": ("'integer'", "d.rev"),
    "_created": ("'text'", "d.created"),
    "_updated": ("'text'", "d.updated"),
}


# SQL by the name of a type in `$type`. SQLite reads an integer beyond 64 bits as a real.
TYPES: Final = {
    "null": "{type} = 'null'",
    "bool": "{type} IN ('true', 'false')",
    "string": "{type} = 'text'",
    "object": "{type} = 'object'",
    "array": "{type} = 'array'",
    "int": "{type} = 'integer' AND {value} BETWEEN -2147483648 AND 2147483647",
    "long": "{type} = 'integer' AND typeof({value}) = 'integer' AND {value} NOT BETWEEN -2147483648 AND 2147483647",
    "double": "{type} = 'real' OR ({type} = 'integer' AND typeof({value}) = 'real')",
}


class Place(msgspec.Struct, frozen=True):
    """SQL expressions for the current value: its JSON type, its value, and its JSON text if it is an object or array.

    `root`: true if the value is the whole document. `level`: the number of nested json_each around the value.
    """

    type: str
    value: str
    json: str
    root: bool = False
    level: int = 0


class Test(msgspec.Struct, frozen=True):
    """A test of a value: its JSON type is in `types`, and the SQL `sign` with the parameters `values` is true."""

    types: str
    sign: str
    values: tuple[Scalar, ...]


DOCUMENT: Final = Place("'object'", "d.body", "d.body", root=True)

Leaf = Callable[[Place], Condition]


def condition(where: Filter) -> Condition:
    return Compiler().compiled(where, DOCUMENT)


def both(left: Condition, right: Condition) -> Condition:
    return joined("AND", [left, right])


def joined(word: str, parts: list[Condition]) -> Condition:
    text = _balanced(f" {word} ", [part.sql for part in parts])
    return Condition(text, tuple(param for part in parts for param in part.params))


def _balanced(word: str, parts: list[str]) -> str:
    """Join the parts as a balanced tree. SQLite allows 1000 levels, and a chain would have one level for each part."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_balanced(word, parts[:half])}{word}{_balanced(word, parts[half:])})"


class Compiler:
    """Translates one filter, and numbers the rows of json_each, so that inner names do not hide outer names."""

    def __init__(self) -> None:
        self.rows = 0

    def compiled(self, where: Filter, at: Place) -> Condition:
        match where:
            case And():
                return joined("AND", [self.compiled(part, at) for part in where.parts]) if where.parts else TRUE
            case Or():
                return self._any(where.parts, at)
            case Not():
                part = self.compiled(where.part, at)
                return Condition(f"(NOT {part.sql})", part.params)
            case Compare():
                return self._compare(where.path, Test(_types(where), f"{where.op} ?", (where.value,)), at)
            case StartsWith():
                prefix = where.prefix.encode()
                return self._candidate(at, where.path, lambda found: _starts_with(found, prefix))
            case Matches():
                sought = where.pattern
                return self._candidate(at, where.path, lambda found: _matches(found, sought))
            case Same():
                return self._same(where.path, (where.key,), at)
            case IsNull():
                return self._is_null(at, where.path)
            case Exists():
                return self._at_end(
                    at, where.path, lambda found: Condition(f"({found.type} IS NOT NULL)"), "IS NOT NULL"
                )
            case Size():
                return self._size(where, at)
            case HasType():
                return self._has_type(where, at)
            case Remainder():
                return self._candidate(at, where.path, lambda found: _remains(where, found))
            case Element():
                return self._element(where, at)
            case _:
                assert_never(where)

    def _any(self, parts: tuple[Filter, ...], at: Place) -> Condition:
        """Return the SQL of Or. All values that are compared with the same path become one test.

        Measured: with one test for each value, 140 values were 50 KB of SQL, which SQLite parsed for each range of the
        index.
        """
        listed: dict[tuple[Path, str], list[Scalar]] = {}
        same: dict[Path, list[bytes]] = {}
        others: list[Filter] = []
        for part in parts:
            if isinstance(part, Compare) and part.op == "=":
                listed.setdefault((part.path, _types(part)), []).append(part.value)
            elif isinstance(part, Same):
                same.setdefault(part.path, []).append(part.key)
            else:
                others.append(part)
        tests = [
            self._compare(path, Test(types, _equals(len(values)), tuple(values)), at)
            for (path, types), values in listed.items()
        ]
        tests += [self._same(path, tuple(keys), at) for path, keys in same.items()]
        tests += [self.compiled(part, at) for part in others]
        return joined("OR", tests) if tests else FALSE

    def _compare(self, path: Path, test: Test, at: Place) -> Condition:
        walked = self._candidate(at, path, lambda found: _compares(test, found))
        if not path or (at.root and path[0] in COLUMNS):
            return walked
        # A path rarely leads through an array. Without an array, json_extract is enough.
        direct = _json_path(path)
        return Condition(
            f"(CASE WHEN json_type({at.json}, ?) IN {test.types} THEN json_extract({at.json}, ?) {test.sign} "
            f"WHEN json_type({at.json}, ?) IN ('null', 'true', 'false', 'integer', 'real', 'text') THEN 0 "
            f"ELSE {walked.sql} END)",
            (direct, direct, *test.values, direct, *walked.params),
        )

    def _same(self, path: Path, keys: tuple[bytes, ...], at: Place) -> Condition:
        """Return a test that is true if an object or array at the path has one of the keys."""
        sign = _equals(len(keys))

        def equal(found: Place) -> Condition:
            key = f"{KEY_FUNCTION}({found.json}) {sign}"
            return Condition(f"(CASE WHEN {found.type} IN ('object', 'array') THEN {key} ELSE 0 END)", keys)

        if not path:
            return equal(at)
        element = self._candidate(at, path, equal)
        return joined("OR", [element, self._whole_array(at, path, f"{KEY_FUNCTION}({{json}} -> ?) {sign}", keys)])

    def _size(self, test: Size, at: Place) -> Condition:
        if not test.path:
            length = f"(CASE WHEN {at.type} = 'array' THEN json_array_length({at.json}) = ? ELSE 0 END)"
            return Condition(length, (test.length,))
        return self._whole_array(at, test.path, "json_array_length({json}, ?) = ?", (test.length,))

    def _has_type(self, test: HasType, at: Place) -> Condition:
        """Return the test of `$type`. `_candidate` tests the elements of an array, and not the array itself."""
        one = self._candidate(at, test.path, lambda found: _typed(test.types, found))
        if "array" not in test.types or not test.path or (at.root and test.path[0] in COLUMNS):
            return one
        return joined("OR", [one, self._at_end(at, test.path, lambda found: one, "IS 'array'")])

    def _whole_array(self, at: Place, path: Path, test: str, operands: tuple[Any, ...]) -> Condition:
        """Return a test that is true if the path leads to an array that passes the SQL `test`."""
        if at.root and path[0] in COLUMNS:
            return FALSE
        last = _json_path(path[-1:])

        def passes(parent: Place) -> Condition:
            text = f"(CASE WHEN json_type({parent.json}, ?) = 'array' THEN {test.format(json=parent.json)} ELSE 0 END)"
            return Condition(text, (last, last, *operands))

        return self._parents(at, path[:-1], passes)

    def _element(self, test: Element, at: Place) -> Condition:
        if at.root and test.path and test.path[0] in COLUMNS:
            return FALSE

        def passes(one: Place) -> Condition:
            inner = self.compiled(test.part, one)
            if not test.objects:
                return inner
            return Condition(f"(CASE WHEN {one.type} = 'object' THEN {inner.sql} ELSE 0 END)", inner.params)

        if not test.path:
            one = self._row(at)
            inner = passes(one)
            array = f"CASE WHEN {at.type} = 'array' THEN {at.json} END"
            return Condition(_exists(array, one, inner.sql), inner.params)
        last = _json_path(test.path[-1:])

        def in_array(parent: Place) -> Condition:
            one = self._row(parent)
            inner = passes(one)
            array = f"CASE WHEN json_type({parent.json}, ?) = 'array' THEN {parent.json} -> ? END"
            return Condition(_exists(array, one, inner.sql), (last, last, *inner.params))

        return self._parents(at, test.path[:-1], in_array)

    def _candidate(self, at: Place, path: Path, leaf: Leaf) -> Condition:
        """Return a test that is true if a value at the path, or an element of an array there, passes `leaf`."""
        if not path:
            return leaf(at)
        if at.root and path[0] in COLUMNS:
            type, value = COLUMNS[path[0]]
            return leaf(Place(type, value, "NULL"))

        def passes(parent: Place) -> Condition:
            one = self._row(parent)
            inner = leaf(one)
            return _among(parent, path[-1], one, inner)

        return self._parents(at, path[:-1], passes)

    def _at_end(self, at: Place, path: Path, leaf: Leaf, test: str) -> Condition:
        """Return a test that is true if the JSON type of a value at the path passes `test`."""
        if not path:
            return leaf(at)
        if at.root and path[0] in COLUMNS:
            return TRUE
        last = _json_path(path[-1:])
        return self._parents(at, path[:-1], lambda parent: Condition(f"(json_type({parent.json}, ?) {test})", (last,)))

    def _parents(self, at: Place, path: Path, passes: Leaf) -> Condition:
        """Return a test that is true if one of the objects at the path passes `passes`."""
        if not path:
            inner = passes(at)
            if at.root:
                return inner
            return Condition(f"(CASE WHEN {at.type} = 'object' THEN {inner.sql} ELSE 0 END)", inner.params)
        one = self._row(at)
        inner = self._parents(one, path[1:], passes)
        among = _among(at, path[0], one, inner)
        if at.root:
            return among
        return Condition(f"(CASE WHEN {at.type} = 'object' THEN {among.sql} ELSE 0 END)", among.params)

    def _is_null(self, at: Place, path: Path) -> Condition:
        if not path:
            return Condition(f"({at.type} = 'null')")
        if at.root and path[0] in COLUMNS:
            return FALSE
        here = _json_path(path[:1])
        one = self._row(at)
        if len(path) == 1:
            inside = _among(at, path[0], one, Condition(f"{one.type} = 'null'"))
            null = f"(json_type({at.json}, ?) IS NULL OR {inside.sql})"
            params: tuple[Any, ...] = (here, *inside.params)
        else:
            inside = _among(at, path[0], one, self._is_null(one, path[1:]))
            null = f"(CASE WHEN json_type({at.json}, ?) IN ('object', 'array') THEN {inside.sql} ELSE 1 END)"
            params = (here, *inside.params)
        if at.root:
            return Condition(null, params)
        return Condition(f"(CASE WHEN {at.type} = 'object' THEN {null} ELSE 0 END)", params)

    def _row(self, inside: Place) -> Place:
        if inside.level == MAX_NESTED:
            why = f"This filter has too many levels: a path may lead through at most {MAX_NESTED} fields and elements."
            raise InvalidQuery(why, path="/where")
        self.rows += 1
        name = f"e{self.rows}"
        return Place(f"{name}.type", f"{name}.value", f"{name}.value", level=inside.level + 1)


def _among(parent: Place, part: str, one: Place, inner: Condition) -> Condition:
    """Return a test that is true if the field, or an element if the field is an array, passes `inner`."""
    path = _json_path((part,))
    below = f"{parent.json} -> ?"
    wrapped = f"CASE json_type({parent.json}, ?) WHEN 'array' THEN {below} ELSE '[' || ({below}) || ']' END"
    return Condition(_exists(wrapped, one, inner.sql), (path, path, path, *inner.params))


def _exists(array: str, one: Place, test: str) -> str:
    name = one.type.partition(".")[0]
    return f"EXISTS (SELECT 1 FROM json_each({array}) AS {name} WHERE {test})"


def _compares(test: Test, found: Place) -> Condition:
    text = f"(CASE WHEN {found.type} IN {test.types} THEN {found.value} {test.sign} ELSE 0 END)"
    return Condition(text, test.values)


def _equals(number: int) -> str:
    return "= ?" if number == 1 else f"IN ({', '.join('?' * number)})"


def _types(test: Compare) -> str:
    if isinstance(test.value, bool):
        return "('true', 'false')"
    return "('text')" if isinstance(test.value, str) else "('integer', 'real')"


def _typed(types: tuple[str, ...], found: Place) -> Condition:
    tests = [TYPES[name].format(type=found.type, value=found.value) for name in types]
    return Condition(_balanced(" OR ", [f"({test})" for test in tests]))


def _remains(test: Remainder, found: Place) -> Condition:
    # SQLite compares a real with integers by value; CAST cuts the fraction off
    bounds = f"{found.value} >= {MIN_INTEGER} AND {found.value} <= {MAX_INTEGER}"
    text = f"{bounds} AND CAST({found.value} AS INTEGER) % ? = ?"
    sql = f"(CASE WHEN {found.type} IN ('integer', 'real') THEN {text} ELSE 0 END)"
    return Condition(sql, (test.divisor, test.remainder))


def _starts_with(found: Place, prefix: bytes) -> Condition:
    # CAST is needed because substr of a text ends at U+0000, and coalesce because substr of an empty blob is NULL.
    text = f"coalesce(substr(CAST({found.value} AS BLOB), 1, ?), x'') = ?"
    return Condition(f"(CASE WHEN {found.type} = 'text' THEN {text} ELSE 0 END)", (len(prefix), prefix))


def _matches(found: Place, pattern: str) -> Condition:
    text = f"{MATCHES_FUNCTION}(?, CAST({found.value} AS BLOB))"
    return Condition(f"(CASE WHEN {found.type} = 'text' THEN {text} ELSE 0 END)", (pattern,))


def _json_path(path: Path) -> str:
    return "$" + "".join(f'."{part}"' for part in path)
