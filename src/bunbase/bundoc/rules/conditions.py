"""From a rule to a condition on the rows of a collection.

SQL's three values carry CEL's: 1 true, 0 false, NULL an error. AND, OR and NOT then absorb errors exactly as && || !
do, and a row whose condition is NULL is not selected, as an error denies. What does not touch the document is
evaluated here, for this caller, and becomes a parameter. Only field names of CEL's own grammar stand in the text.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.bundoc.rules.check import SYSTEM_FIELDS
from bunbase.bundoc.rules.closures import Evaluate, closure
from bunbase.bundoc.rules.inputs import Inputs
from bunbase.bundoc.rules.syntax import (
    Both,
    Call,
    Choice,
    Either,
    Field,
    Has,
    Index,
    Literal,
    Name,
    Node,
    Not,
    Operation,
    children,
)
from bunbase.bundoc.rules.values import LARGEST_INT, SMALLEST_INT, Failed
from bunbase.pkg.clock import rfc3339

MAX_PARAMETERS: Final = 500
MAX_CHARACTERS: Final = 100_000  # of SQL: a list of claims must not become a statement that takes long to read
MAX_AMONG: Final = 500  # values of a list in `doc.field in list`
PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
COLUMNS: Final = {"_id": "id", "_rev": "rev", "_created": "created", "_updated": "updated"}
MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Condition(msgspec.Struct, frozen=True):
    """`sql` stands behind WHERE, over a row with the columns id, rev, created, updated and body."""

    sql: str
    parameters: tuple[Any, ...] = ()


TRUE: Final = Condition("1")
FALSE: Final = Condition("0")
ERROR: Final = Condition("NULL")


class NotPushed(Exception):
    """This part of the rule stays with the closure."""


class Failure(msgspec.Struct, frozen=True):
    """Stands for the value of an expression that fails for this caller."""


class Column(msgspec.Struct, frozen=True):
    """A system field; `type`: of its value, known to be there."""

    sql: str
    type: str


class Path(msgspec.Struct, frozen=True):
    """A place in the document, of any type or missing; `parent` is where `has` looks."""

    path: str

    @property
    def type(self) -> str:
        return f"json_type(body, '{self.path}')"

    @property
    def value(self) -> str:
        return f"json_extract(body, '{self.path}')"


class Constant(msgspec.Struct, frozen=True):
    value: Any


Operand = Column | Path | Constant | Failure


class Pushed(msgspec.Struct, frozen=True):
    """`exact`: the condition is the rule; otherwise it lets through at least what the rule does."""

    condition: Condition
    exact: bool


class Conditions:
    """Makes conditions of one rule; what is the same for all callers is prepared here."""

    def __init__(self, tree: Node) -> None:
        self.tree = tree
        self.constant: dict[int, Evaluate] = {}
        self._prepare(tree)

    def pushed(self, inputs: Inputs) -> Pushed:
        """Give the condition for a caller. Of `inputs`, doc and lookup are not used."""
        pushed = _Push(self.constant, inputs).weakened(self.tree)
        condition = pushed.condition
        if len(condition.parameters) > MAX_PARAMETERS or len(condition.sql) > MAX_CHARACTERS:
            return Pushed(TRUE, exact=False)
        return Pushed(FALSE, exact=True) if pushed.condition == ERROR and pushed.exact else pushed

    def _prepare(self, node: Node) -> bool:
        """Remember the largest parts that do not depend on the document. Give whether this is one."""
        below = [self._prepare(child) for child in children(node)]
        if all(below) and not _varies(node):
            self.constant[id(node)] = closure(node)
            return True
        return False


def _varies(node: Node) -> bool:
    match node:
        case Name(name=name):
            return name not in ("auth", "now", "request")
        case Call(name=name):
            return name in ("get", "exists")
        case _:
            return False


class _Push:
    def __init__(self, constant: dict[int, Evaluate], inputs: Inputs) -> None:
        self.constant = constant
        self.inputs = inputs

    def weakened(self, node: Node) -> Pushed:
        """Give a condition that holds wherever the node is true, and is the node itself if it can be.

        Here false and NULL are alike, so the tests may be of the form that an index serves.
        """
        if id(node) in self.constant:
            return Pushed(self.truth(node), exact=True)
        match node:
            case Both(of=parts):
                return self.weakened_all(parts)
            case Either(of=parts):
                return self.weakened_any(parts)
            case _:
                try:
                    return Pushed(self.truth(node, wanted=True), exact=True)
                except NotPushed:
                    return Pushed(TRUE, exact=False)

    def weakened_all(self, parts: tuple[Node, ...]) -> Pushed:
        pushed = [self.weakened(part) for part in parts]
        conditions = [part.condition for part in pushed]
        exact = all(part.exact for part in pushed)
        if FALSE in conditions or ERROR in conditions:
            return Pushed(FALSE, exact=True)
        return Pushed(_joined("AND", [condition for condition in conditions if condition != TRUE], TRUE), exact)

    def weakened_any(self, parts: tuple[Node, ...]) -> Pushed:
        pushed = [self.weakened(part) for part in parts]
        if any(part.condition == TRUE and part.exact for part in pushed):
            return Pushed(TRUE, exact=True)
        conditions = [part.condition for part in pushed if part.condition not in (FALSE, ERROR)]
        exact = all(part.exact for part in pushed)
        return Pushed(TRUE, exact=False) if TRUE in conditions else Pushed(_joined("OR", conditions, FALSE), exact)

    def truth(self, node: Node, wanted: bool = False) -> Condition:
        """Give 1, 0 or NULL as the node is true, false or an error; if only truth is `wanted`, 0 and NULL are alike.

        Raises: NotPushed.
        """
        if id(node) in self.constant:
            return _truth_of(self.value_of(node))
        match node:
            case Both(of=parts):
                return _joined("AND", [self.truth(part, wanted) for part in parts], TRUE)
            case Either(of=parts):
                return _joined("OR", [self.truth(part, wanted) for part in parts], FALSE)
            case Not(of=of):
                return _around("NOT (", self.truth(of), ")")
            case Choice(when=when, then=then, otherwise=otherwise):
                asked, yes, no = self.truth(when), self.truth(then, wanted), self.truth(otherwise, wanted)
                return Condition(
                    f"CASE ({asked.sql}) WHEN 1 THEN ({yes.sql}) WHEN 0 THEN ({no.sql}) END",
                    asked.parameters + yes.parameters + no.parameters,
                )
            case Operation(sign="==" | "!=" as sign, left=left, right=right):
                equal = _equal(self.operand(left), self.operand(right))
                return equal if sign == "==" else _around("NOT (", equal, ")")
            case Operation(sign="<" | "<=" | ">" | ">=" as sign, left=left, right=right):
                return _ordered(sign, self.operand(left), self.operand(right), wanted)
            case Operation(sign="in", left=left, right=right):
                return _contained(self.operand(left), self.operand(right))
            case Call(name="startsWith" | "endsWith" | "contains" as name, of=(text, sought)):
                return _text_test(name, self.operand(text), self.operand(sought))
            case Has(of=of, name=name):
                return _has(self.place(of), name)
            case Field() | Index():
                return _as_truth(self.operand(node), wanted)
            case _:
                raise NotPushed

    def operand(self, node: Node) -> Operand:
        """Raises: NotPushed."""
        if id(node) in self.constant:
            return self.value_of(node)
        match node:
            case Field(of=Name(name="doc"), name=name) if name in COLUMNS:
                return Column(COLUMNS[name], SYSTEM_FIELDS[name])
            case Index(of=Name(name="doc"), at=Literal(value=str(name))) if name in COLUMNS:
                return Column(COLUMNS[name], SYSTEM_FIELDS[name])
            case Field() | Index():
                return Path(self.place(node))
            case Call(name="timestamp", of=(Field(of=Name(name="doc"), name="_created" | "_updated" as name),)):
                return Column(COLUMNS[name], "timestamp")
            case _:
                raise NotPushed

    def place(self, node: Node) -> str:
        """Give the JSON path of a place in the document. Raises: NotPushed."""
        match node:
            case Name(name="doc"):
                return "$"
            case Field(of=of, name=name):
                return self.below(of, name)
            case Index(of=of, at=at) if id(at) in self.constant:
                value = self.value_of(at)
                if isinstance(value, Constant):
                    return self.below(of, value.value)
        raise NotPushed

    def below(self, of: Node, at: Any) -> str:
        place = self.place(of)
        if isinstance(at, str) and PLAIN.fullmatch(at) and not (place == "$" and at.startswith("_")):
            return f"{place}.{at}"
        if isinstance(at, int) and not isinstance(at, bool) and 0 <= at <= 1 << 20 and place != "$":
            return f"{place}[{at}]"
        raise NotPushed

    def value_of(self, node: Node) -> Constant | Failure:
        self.inputs.steps = 0
        try:
            return Constant(self.constant[id(node)](self.inputs))
        except Failed:
            return Failure()


def _truth_of(value: Constant | Failure) -> Condition:
    if isinstance(value, Failure) or not isinstance(value.value, bool):
        return ERROR
    return TRUE if value.value else FALSE


def _as_truth(value: Operand, wanted: bool) -> Condition:
    if not isinstance(value, Path):
        return ERROR  # no system field is true or false
    if wanted:
        return Condition(f"{value.type} = 'true'")
    return Condition(f"CASE {value.type} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END")


def _equal(left: Operand, right: Operand) -> Condition:
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
    """Raises: NotPushed for two places, which may hold lists."""
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


def _ordered(sign: str, left: Operand, right: Operand, wanted: bool) -> Condition:
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
            return ERROR  # no place in JSON holds what could be ordered with this
    compared = f"{path.value} {sign} {sql}"
    if wanted:
        return Condition(f"({test} AND {compared})", _bounds(parameters))
    return Condition(f"CASE WHEN {test} THEN {compared} END", _bounds(parameters))


def _contained(sought: Operand, within: Operand) -> Condition:
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
    """Is it one of the caller's values?"""
    if not isinstance(within, (list, dict)):
        return ERROR
    if len(within) > MAX_AMONG:
        raise NotPushed
    conditions = [_equal(sought, Constant(value)) for value in within]
    return _joined("OR", conditions, _false_if_there(sought) if isinstance(sought, Path) else FALSE)


def _found_in(path: Path, value: Any) -> Condition:
    """Is it in a list of the document, or a key of a map?"""
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
    rows = "EXISTS (SELECT 1 FROM json_each(body, 'PATH') WHERE".replace("PATH", path.path)
    return Condition(
        f"CASE {path.type} WHEN 'array' THEN {rows} {test}) WHEN 'object' THEN {rows} {key}) END", parameters
    )


def _text_test(name: str, text: Operand, sought: Operand) -> Condition:
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
    return test if isinstance(text, Column) else _around(f"CASE WHEN {text.type} = 'text' THEN ", test, " END")


def _bytes_test(name: str, value: str, sought: bytes) -> Condition:
    """On bytes: SQLite's functions on text stop at a zero character."""
    if not sought:
        return TRUE
    match name:
        case "startsWith":
            return Condition(f"substr({value}, 1, {len(sought)}) = ?", (sought,))
        case "endsWith":
            return Condition(f"substr({value}, -{len(sought)}) = ?", (sought,))
        case _:
            return Condition(f"instr({value}, ?) > 0", (sought,))


def _has(place: str, name: str) -> Condition:
    if place == "$" and name in COLUMNS:
        return TRUE
    there = f"json_type(body, '{place}.{name}') IS NOT NULL"
    return Condition(there if place == "$" else f"CASE json_type(body, '{place}') WHEN 'object' THEN {there} END")


def _type(value: Any) -> str:
    """Give the type as SQL compares: one for all numbers."""
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
    """Give the value as SQLite takes it. Raises: NotPushed when it could not take it whole."""
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


def _around(before: str, condition: Condition, after: str) -> Condition:
    return Condition(f"{before}{condition.sql}{after}", condition.parameters)


def _joined(word: str, conditions: list[Condition], empty: Condition) -> Condition:
    if not conditions:
        return empty
    if len(conditions) == 1:
        return conditions[0]
    return Condition(
        _balanced(f" {word} ", [condition.sql for condition in conditions]),
        tuple(value for condition in conditions for value in condition.parameters),
    )


def _balanced(word: str, parts: list[str]) -> str:
    """Join in halves: SQLite takes 1000 levels at most, and a plain chain has one for each part."""
    if len(parts) == 1:
        return f"({parts[0]})"
    half = len(parts) // 2
    return f"({_balanced(word, parts[:half])}{word}{_balanced(word, parts[half:])})"
