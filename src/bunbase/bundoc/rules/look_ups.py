"""Replace the look-ups of a list rule that have one value for a whole query.

`exists("members", doc.room + "_" + auth.uid)` depends on the document only through `doc.room`. If the filter of the
query sets `room` to "x", the look-up has one value for all documents whose `room` is "x". BunBase looks the document up
once, in the transaction of the search, and replaces the look-up in the rule:

- by `doc.room == "x"` if the part is true. SQL and indexes then serve the rule.
- by `false` if the part is false or an error. A list shows only documents for which the rule is true, so the two are
  the same below `&&` and `||`.

Hard place: the filter `room = "x"` also matches a list that contains "x". For such a document, the rule sees the list.
So a part is replaced only if the part can never be true for such a list (`_Truth.is_never`). The comparison
`doc.room == "x"` then denies exactly the documents that the part denies.

A look-up whose key contains a field must ask about the user (`user_look_ups.py`). Otherwise, a caller could choose the
values of the field freely, and find out by the duration of queries which documents exist in a collection that only
rules may read (docs/decisions/0113-look-ups-with-one-value-happen-once.md). A true part that is no grant, such as
`!exists("bans", doc.room + auth.uid)`, becomes `!(doc.room != "x")`. SQL serves this test too, but it chooses no index,
because the documents of a room may be hidden from the caller for other reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from bunbase.bundoc.query.filters import Compare, Filter, Path
from bunbase.bundoc.rules.implied import ValueOf, path_of
from bunbase.bundoc.rules.sql_tests import Constant, Failure
from bunbase.bundoc.rules.user_look_ups import is_about_user, is_grant
from bunbase.pkg.rules.closures import Evaluate, closure
from bunbase.pkg.rules.inputs import MAX_LOOKUPS, Inputs
from bunbase.pkg.rules.syntax import (
    Both,
    Call,
    Choice,
    Either,
    Field,
    Has,
    Index,
    Literal,
    Loop,
    Name,
    Negative,
    Node,
    Not,
    Operation,
    children,
    counted,
)
from bunbase.pkg.rules.values import Failed

Values = Mapping[Path, str | bool]

LOOK_UPS: Final = frozenset({"get", "exists"})
# These functions fail if an argument is not a string. `string` also accepts other scalars, but no list.
OF_STRINGS: Final = frozenset(
    {"get", "exists", "string", "lowerAscii", "upperAscii", "startsWith", "endsWith", "contains", "matches"}
)


class LookUpPart(msgspec.Struct, frozen=True, eq=False):
    """A part of a rule that contains look-ups.

    `fields`: the fields of the document that the part reads. `is_alternative`: the part stands directly below `||`.
    `is_grant`: true if only a document about the user can make the part true.
    """

    node: Node
    fields: frozenset[Path]
    evaluate: Evaluate
    is_alternative: bool
    is_grant: bool

    def allows(self, inputs: Inputs) -> bool:
        """True if the part is true for the document of `inputs`. An error counts as false."""
        try:
            inputs.begin(counted(self.node))
            return self.evaluate(inputs) is True
        except Failed:
            return False


class LookUps:
    """The look-ups of one rule. Only parts below `&&` and `||` can be replaced, because elsewhere an error is not the
    same as false.
    """

    def __init__(self, tree: Node) -> None:
        self.tree = tree
        self.parts = {id(part.node): part for part in _parts(tree)} if _may_be_replaced(tree) else {}

    def replaced(self, values: Values, value_of: ValueOf, is_true: Callable[[LookUpPart], bool]) -> Node | None:
        """Return the rule without the look-ups that `values` fix; None if there are none.

        `values`: the fields that have one value in the query. `value_of`: the parameter of `implied`. `is_true`: a
        function that evaluates a part.
        """
        found = _Replacing(self.parts, values, value_of, is_true).replaced(self.tree) if self.parts else self.tree
        return None if found is self.tree else found

    def fields_to_set(self, value_of: ValueOf) -> tuple[Path, ...]:
        """Return the fields that a query must set to one value, so that no look-up is left and an index helps.

        Return () if fixed fields cannot help.
        """
        some = dict.fromkeys((path for part in self.parts.values() for path in part.fields), "")
        needed: list[Path] = []

        served = True

        def note(part: LookUpPart) -> bool:
            nonlocal served
            served = served and (part.is_grant or not part.fields)
            needed.extend(sorted(part.fields))
            return True

        tree = self.replaced(some, value_of, note)
        return tuple(dict.fromkeys(needed)) if served and tree is not None and not _looks_up(tree) else ()


def fixed_values(tests: Iterable[Filter]) -> Values:
    """Return the fields that the tests set to one text or truth value.

    A number is left out, because 1 and 1.0 are equal, but can be different parts of a key.
    """
    found: dict[Path, set[str | bool]] = {}
    for test in tests:
        if isinstance(test, Compare) and test.op == "=" and isinstance(test.value, str | bool):
            found.setdefault(test.path, set()).add(test.value)
    single = {path: next(iter(values)) for path, values in found.items() if len(values) == 1}
    return {path: value for path, value in single.items() if not _has_prefix_in(path, single)}


def document_of(values: Values) -> dict[str, Any]:
    """Return a document that has only these fields."""
    made: dict[str, Any] = {}
    for path, value in values.items():
        at = made
        for name in path[:-1]:
            at = at.setdefault(name, {})
        at[path[-1]] = value
    return made


def _has_prefix_in(path: Path, paths: Iterable[Path]) -> bool:
    return any(len(one) < len(path) and path[: len(one)] == one for one in paths)


def _may_be_replaced(tree: Node) -> bool:
    """False if one evaluation may need more look-ups than the limit. Such an evaluation fails, so the rule denies."""
    number = sum(isinstance(node, Call) and node.name in LOOK_UPS for node in _nodes(tree))
    in_loops = any(isinstance(node, Loop) and _looks_up(node) for node in _nodes(tree))
    return 0 < number <= MAX_LOOKUPS and not in_loops


def _parts(node: Node, is_alternative: bool = False) -> Iterator[LookUpPart]:
    """Yield the parts below `&&` and `||` that may be replaced."""
    if not _looks_up(node):
        return
    if isinstance(node, Both | Either):
        for part in node.of:
            yield from _parts(part, isinstance(node, Either))
        return
    fields = _fields(node)
    if fields is not None and is_about_user(node):
        yield LookUpPart(node, frozenset(fields), closure(node), is_alternative, is_grant(node))


def _fields(node: Node) -> set[Path] | None:
    """Return the paths of the fields that the node reads; None if the node reads the document in another way."""
    path = path_of(node)
    if path is not None:
        return {path}
    if isinstance(node, Name) and node.name == "doc":
        return None
    found: set[Path] = set()
    for child in children(node):
        below = _fields(child)
        if below is None:
            return None
        found |= below
    return found


def _looks_up(node: Node) -> bool:
    return any(isinstance(one, Call) and one.name in LOOK_UPS for one in _nodes(node))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from _nodes(child)


class _Replacing:
    def __init__(
        self, parts: Mapping[int, LookUpPart], values: Values, value_of: ValueOf, is_true: Callable[[LookUpPart], bool]
    ) -> None:
        self.parts = parts
        self.values = values
        self.value_of = value_of
        self.is_true = is_true

    def replaced(self, node: Node) -> Node:
        part = self.parts.get(id(node))
        if part is not None and self._is_fixed(part):
            return self._tests(part) if self.is_true(part) else _literal(False, node)
        match node:
            case Both(of=parts) | Either(of=parts):
                found = tuple([self.replaced(one) for one in parts])
                return node if all(new is old for new, old in zip(found, parts, strict=True)) else _joined(node, found)
            case _:
                return node

    def _is_fixed(self, part: LookUpPart) -> bool:
        if not part.fields <= self.values.keys():
            return False
        return all(_Truth(path, self.value_of).is_never(part.node) for path in part.fields)

    def _tests(self, part: LookUpPart) -> Node:
        """Return a test that is true if the fields of a document have the values for which the part is true."""
        at = {"start": part.node.start, "end": part.node.end}
        tests: list[Node] = []
        for path in sorted(part.fields):
            field: Node = Name(name="doc", **at)
            for name in path:
                field = Field(of=field, name=name, **at)
            value = _literal(self.values[path], part.node)
            if part.is_grant:
                tests.append(Operation(sign="==", left=field, right=value, **at))
            else:  # the same test, but `implied` and so the choice of an index do not see it
                tests.append(Not(of=Operation(sign="!=", left=field, right=value, **at), **at))
        if not tests:
            return _literal(True, part.node)
        return tests[0] if len(tests) == 1 else Both(of=tuple(tests), **at)


def _literal(value: Any, node: Node) -> Literal:
    return Literal(value=value, start=node.start, end=node.end)


def _joined(node: Both | Either, parts: tuple[Node, ...]) -> Node:
    """Join the parts with `&&` or `||`, without the parts that do not change the result."""
    decisive = isinstance(node, Either)
    if any(isinstance(part, Literal) and part.value is decisive for part in parts):
        return _literal(decisive, node)
    left = tuple(part for part in parts if not (isinstance(part, Literal) and part.value is (not decisive)))
    if len(left) < 2:
        return left[0] if left else _literal(not decisive, node)
    return type(node)(of=left, start=node.start, end=node.end)


class _Truth:
    """Proves that a node cannot be true for a document whose field `path` is a list, or is missing.

    A result of False may only mean that no proof was found.
    """

    def __init__(self, path: Path, value_of: ValueOf) -> None:
        self.path = path
        self.value_of = value_of

    def is_never(self, node: Node) -> bool:
        """True if the node is false or an error."""
        known = self.value_of(node)
        if known is not None:
            return not (isinstance(known, Constant) and known.value is True)
        match node:
            case Both(of=parts):
                return any(self.is_never(part) for part in parts)
            case Either(of=parts):
                return all(self.is_never(part) for part in parts)
            case _:
                return self.fails(node)

    def fails(self, node: Node) -> bool:
        """True if the node is an error."""
        known = self.value_of(node)
        if known is not None:
            return isinstance(known, Failure)
        match node:
            case Both(of=parts) | Either(of=parts):
                return all(self.fails(part) for part in parts)
            case Not(of=of) | Negative(of=of) | Field(of=of) | Has(of=of):
                return self.fails(of)
            case Index(of=of, at=at):
                return self.fails(of) or self.fails(at)
            case Operation(left=left, right=right):
                return self.fails(left) or self.fails(right)
            case Choice(when=when, then=then, otherwise=otherwise):
                return self.fails(when) or (self.fails(then) and self.fails(otherwise))
            case Call(name=name, of=arguments):
                fails = self.is_no_string if name in OF_STRINGS else self.fails
                return any(fails(one) for one in arguments)
            case _:
                return False

    def is_no_string(self, node: Node) -> bool:
        """True if the node is an error, a list or a map."""
        match node:
            case _ if path_of(node) == self.path:
                return True
            case Operation(sign="+", left=left, right=right):
                return self.is_no_string(left) or self.is_no_string(right)
            case Choice(when=when, then=then, otherwise=otherwise):
                return self.fails(when) or (self.is_no_string(then) and self.is_no_string(otherwise))
            case _:
                return self.fails(node)
