"""The tests that a condition consists of. Each test is SQL that compares two operands exactly as CEL does.

A path may lead to a value of any type, or to no value, so each test checks the type first. json_extract alone does not
show the type: it returns 1 for true, and the JSON text for a list.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.bundoc.query.condition import FALSE, MATCHES_FUNCTION, TRUE, Condition
from bunbase.pkg.clock import rfc3339
from bunbase.pkg.rules.check import SYSTEM_FIELDS
from bunbase.pkg.rules.values import LARGEST_INT, SMALLEST_INT

MAX_AMONG: Final = 500  # The list in `doc.field in list` has at most this many elements.
MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


ERROR: Final = Condition("NULL")


class NotPushed(Exception):
    """SQL cannot express this part of the rule exactly; the closure must evaluate it."""


class Failure(msgspec.Struct, frozen=True):
    """The result of an expression that fails for this caller."""


class Column(msgspec.Struct, frozen=True):
    """A system field, which every document has. `type` is the type of its value."""

    sql: str
    type: str


class Path(msgspec.Struct, frozen=True):
    """A path in the document; its value may have any type or be missing."""

    path: str

    @property
    def type(self) -> str:
        return f"json_type(d.body, '{self.path}')"

    @property
    def value(self) -> str:
        return f"json_extract(d.body, '{self.path}')"


class Constant(msgspec.Struct, frozen=True):
    value: Any


Operand = Column | Path | Constant | Failure


def truth_of(value: Constant | Failure) -> Condition:
    if isinstance(value, Failure) or not isinstance(value.value, bool):
        return ERROR
    return TRUE if value.value else FALSE


def as_truth(value: Operand, wanted: bool) -> Condition:
    if not isinstance(value, Path):
        return ERROR  # No system field is a bool.
    if wanted:
        return Condition(f"{value.type} = 'true'")
    return Condition(f"CASE {value.type} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END")


def equal(left: Operand, right: Operand) -> Condition:
    if isinstance(left, Failure) or isinstance(right, Failure):
        return ERROR
    if isinstance(left, Path):
        return _path_equal(left, right)
    if isinstance(right, Path):
        return _path_equal(right, left)
    if isinstance(left, Constant):
        left, right = right, left
    assert isinstance(left, Column)
    if isinstance(right, Column):
        return Condition(f"{left.sql} = {right.sql}") if left.type == right.type else FALSE
    assert isinstance(right, Constant)
    return Condition(f"{left.sql} = ?", (_bound(right.value),)) if _type(right.value) == left.type else FALSE


def _path_equal(path: Path, other: Operand) -> Condition:
    """Return the test `path == other`. Raises: NotPushed for two paths, since both may lead to lists."""
    match other:
        case Column(sql=sql, type="string"):
            return Condition(f"({path.type} = 'text' AND {path.value} = {sql})")
        case Column(sql=sql, type="int"):
            return Condition(f"({path.type} IN ('integer', 'real') AND {path.value} = {sql})")
        case Column():
            return _false_if_there(path)
        case Constant(value=value):
            match _type(value):
                case "null":
                    return Condition(f"{path.type} = 'null'")
                case "bool":
                    return Condition(f"{path.type} = '{'true' if value else 'false'}'")
                case "string":
                    return Condition(f"({path.type} = 'text' AND {path.value} = ?)", (value,))
                case "int":
                    return Condition(f"({path.type} IN ('integer', 'real') AND {path.value} = ?)", (_bound(value),))
                case "timestamp":
                    return _false_if_there(path)
    raise NotPushed


def _false_if_there(path: Path) -> Condition:
    return Condition(f"nullif({path.type} IS NULL, 1)")


def ordered(sign: str, left: Operand, right: Operand, wanted: bool) -> Condition:
    if isinstance(left, Failure) or isinstance(right, Failure):
        return ERROR
    if isinstance(left, Constant):
        left, right, sign = right, left, MIRRORED[sign]
    if isinstance(left, Column) and isinstance(right, Path):
        left, right, sign = right, left, MIRRORED[sign]
    if isinstance(right, Path) or isinstance(left, Constant):
        raise NotPushed
    kind = right.type if isinstance(right, Column) else _type(right.value)
    sql, parameters = (right.sql, ()) if isinstance(right, Column) else ("?", (right.value,))
    if isinstance(left, Column):
        return Condition(f"{left.sql} {sign} {sql}", _bounds(parameters)) if kind == left.type else ERROR
    return _path_ordered(sign, left, kind, sql, parameters, wanted)


def _path_ordered(sign: str, path: Path, kind: str, sql: str, parameters: tuple[Any, ...], wanted: bool) -> Condition:
    match kind:
        case "string":
            test = f"{path.type} = 'text'"
        case "int":
            test = f"{path.type} IN ('integer', 'real')"
        case "bool":
            raise NotPushed
        case _:
            return ERROR  # A value of this type cannot be ordered with any JSON value.
    compared = f"{path.value} {sign} {sql}"
    if wanted:
        return Condition(f"({test} AND {compared})", _bounds(parameters))
    return Condition(f"CASE WHEN {test} THEN {compared} END", _bounds(parameters))


def contained(sought: Operand, within: Operand) -> Condition:
    if isinstance(sought, Failure) or isinstance(within, Failure):
        return ERROR
    if isinstance(within, Constant):
        return _among(sought, within.value)
    if isinstance(within, Column):
        return ERROR
    if isinstance(sought, Constant):
        return _found_in(within, sought.value)
    raise NotPushed


def _among(sought: Operand, within: Any) -> Condition:
    """Return a test that is true if the operand is in `within`, a list or the keys of a map."""
    if not isinstance(within, (list, dict)):
        return ERROR
    if len(within) > MAX_AMONG:
        raise NotPushed
    conditions = [equal(sought, Constant(value)) for value in within]
    return joined("OR", conditions, _false_if_there(sought) if isinstance(sought, Path) else FALSE)


def _found_in(path: Path, value: Any) -> Condition:
    """Return a test that is true if the value is an element of the list at the path, or a key of the map there."""
    parameters: tuple[Any, ...]
    match _type(value):
        case "null":
            test, key, parameters = "type = 'null'", "0", ()
        case "bool":
            test, key, parameters = f"type = '{'true' if value else 'false'}'", "0", ()
        case "string":
            test, key, parameters = "type = 'text' AND value = ?", "key = ?", (value, value)
        case "int":
            test, key, parameters = "type IN ('integer', 'real') AND value = ?", "0", (_bound(value),)
        case _:
            raise NotPushed
    rows = "EXISTS (SELECT 1 FROM json_each(d.body, 'PATH') WHERE".replace("PATH", path.path)
    return Condition(
        f"CASE {path.type} WHEN 'array' THEN {rows} {test}) WHEN 'object' THEN {rows} {key}) END", parameters
    )


def text_test(name: str, text: Operand, sought: Operand) -> Condition:
    if isinstance(text, Failure) or isinstance(sought, Failure):
        return ERROR
    if isinstance(text, Constant) or not isinstance(sought, Constant):
        raise NotPushed
    if not isinstance(sought.value, str):
        return ERROR
    if isinstance(text, Column) and text.type != "string":
        return ERROR
    value = text.sql if isinstance(text, Column) else text.value
    test = _bytes_test(name, f"CAST({value} AS BLOB)", sought.value.encode())
    return test if isinstance(text, Column) else around(f"CASE WHEN {text.type} = 'text' THEN ", test, " END")


def _bytes_test(name: str, value: str, sought: bytes) -> Condition:
    """Return a test on bytes, since SQLite's text functions stop at a zero character.

    The test needs coalesce, since substr returns NULL for an empty blob.
    """
    if name == "matches":
        return Condition(f"{MATCHES_FUNCTION}(?, {value})", (sought.decode(),))
    if not sought:
        return TRUE
    match name:
        case "startsWith":
            return Condition(f"coalesce(substr({value}, 1, {len(sought)}), x'') = ?", (sought,))
        case "endsWith":
            return Condition(f"coalesce(substr({value}, -{len(sought)}), x'') = ?", (sought,))
        case _:
            return Condition(f"instr({value}, ?) > 0", (sought,))


def has(place: str, name: str) -> Condition:
    if place == "$" and name in SYSTEM_FIELDS:
        return TRUE
    there = f"json_type(d.body, '{place}.{name}') IS NOT NULL"
    return Condition(there if place == "$" else f"CASE json_type(d.body, '{place}') WHEN 'object' THEN {there} END")


def _type(value: Any) -> str:
    """Return the type of a value for comparisons; all numbers have the type int."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() | float():
            return "int"
        case str():
            return "string"
        case datetime():
            return "timestamp"
        case _:
            raise NotPushed


def _bounds(parameters: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_bound(value) for value in parameters)


def _bound(value: Any) -> Any:
    """Return the value as a parameter for SQLite. Raises: NotPushed if SQLite cannot hold the value exactly."""
    match value:
        case float() if math.isnan(value):
            raise NotPushed
        case int() if not SMALLEST_INT <= value <= LARGEST_INT:
            raise NotPushed
        case datetime():
            if value.microsecond % 1000 or value.year < 1000:
                raise NotPushed
            return rfc3339(value)
        case _:
            return value


def around(before: str, condition: Condition, after: str) -> Condition:
    return Condition(f"{before}{condition.sql}{after}", condition.params)


def joined(word: str, conditions: list[Condition], empty: Condition) -> Condition:
    if not conditions:
        return empty
    if len(conditions) == 1:
        return conditions[0]
    return Condition(
        _balanced(f" {word} ", [condition.sql for condition in conditions]),
        tuple(value for condition in conditions for value in condition.params),
    )


def _balanced(word: str, parts: list[str]) -> str:
    """Join the parts as a balanced tree. SQLite allows 1000 levels, and a chain would have one level for each part."""
    if len(parts) == 1:
        return f"({parts[0]})"
    half = len(parts) // 2
    return f"({_balanced(word, parts[:half])}{word}{_balanced(word, parts[half:])})"
