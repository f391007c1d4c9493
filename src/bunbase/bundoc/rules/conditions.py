"""Translate a rule to an SQL condition on the rows of a collection.

The life of one list request:

1. When the rule is saved, `Conditions` compiles the largest parts that do not depend on the document, such as
   `auth.uid` or `now - duration("1h")`.
2. For a caller, these parts are evaluated in Python and become parameters of the statement. The text of the statement
   contains only field names that match the grammar of CEL, never a value, so nothing can be injected.
3. The other parts become SQL, which represents the three results of CEL: 1 is true, 0 is false, NULL is an error. AND,
   OR and NOT then absorb errors exactly as && || ! do. SQLite does not select a row whose condition is NULL. In the
   same way, CEL denies a document for which the rule is an error.
4. A part that SQL cannot express exactly (a lookup, a loop, arithmetic) raises NotPushed. Under && and ||, true
   replaces this part, so the condition may select too many rows but never too few. Afterwards, the closure decides
   about each row.

The alternative was to run the closure for every row. This would read and parse the whole collection to return one page.
docs/decisions/0011-our-own-parser-for-rules.md records the decision. tests/bundoc/rules/test_agreement.py checks that
the closure and the condition always agree.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from bunbase.bundoc.query import filters
from bunbase.bundoc.query.condition import FALSE, TRUE, Condition
from bunbase.bundoc.query.plan import Bound
from bunbase.bundoc.rules.implied import Implied, Paths, ValueOf
from bunbase.bundoc.rules.sql_tests import (
    ERROR,
    Column,
    Constant,
    Failure,
    NotPushed,
    Operand,
    Path,
    around,
    as_truth,
    contained,
    equal,
    has,
    joined,
    ordered,
    text_test,
    truth_of,
)
from bunbase.pkg.rules.check import SYSTEM_FIELDS
from bunbase.pkg.rules.closures import Evaluate, closure
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.syntax import (
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
from bunbase.pkg.rules.values import Failed

MAX_PARAMETERS: Final = 500
# A condition has at most this many characters, because a long list of claims must not make SQL that is slow to parse.
MAX_CHARACTERS: Final = 100_000
PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
COLUMNS: Final = {"_id": "d.id", "_rev": "d.rev", "_created": "d.created", "_updated": "d.updated"}


class Pushed(msgspec.Struct, frozen=True):
    """A condition in SQL. `exact`: true if the condition equals the rule; otherwise the condition may select more
    rows.
    """

    condition: Condition
    exact: bool


class Conditions:
    """Makes the SQL condition of one rule for each caller. The work that is the same for all callers is done once."""

    def __init__(self, tree: Node) -> None:
        self.tree = tree
        self.constant: dict[int, Evaluate] = {}
        self.paths = Paths()
        self.operands: dict[int, Operand] = {}
        self.is_fixed = self._prepare(tree)

    def pushed(self, inputs: Inputs) -> Pushed:
        """Return the condition for a caller; `doc` and `lookup` of `inputs` are not used."""
        pushed = self._push(inputs).weakened(self.tree)
        condition = pushed.condition
        if len(condition.params) > MAX_PARAMETERS or len(condition.sql) > MAX_CHARACTERS:
            return Pushed(TRUE, exact=False)
        return Pushed(FALSE, exact=True) if pushed.condition == ERROR and pushed.exact else pushed

    def implied(self, inputs: Inputs) -> filters.Filter:
        """Return a filter that matches every document that the rule allows this caller.

        The filter helps to choose an index.
        """
        return self._implied(inputs).filter(self.tree)

    def bound(self, inputs: Inputs) -> Bound:
        """Return the properties of the rule, for this caller, that decide which index a query may use."""
        implied = self._implied(inputs)
        return Bound(implied.filter(self.tree), implied.is_all(self.tree), implied.words(self.tree))

    def left_over(self, inputs: Inputs) -> list[Node]:
        """Return the parts of the rule that must be evaluated for each document, because SQL cannot express them."""
        if self.pushed(inputs).exact:
            return []
        push = self._push(inputs)
        parts = self.tree.of if isinstance(self.tree, Both) else (self.tree,)
        return [part for part in parts if not push.weakened(part).exact] or [self.tree]

    def never(self, inputs: Inputs) -> bool:
        """True if the rule is false, not an error, for this caller and every possible document."""
        try:
            return self._push(inputs).truth(self.tree) == FALSE or self._absorbed(inputs)
        except NotPushed:
            return self._absorbed(inputs)

    def known(self, inputs: Inputs) -> ValueOf:
        """Return a function that returns the value of a part for this caller; None if the part needs the document."""
        push, constant = self._push(inputs), self.constant
        return lambda node: push.value_of(node) if id(node) in constant else None

    def _push(self, inputs: Inputs) -> _Push:
        return _Push(self.constant, self.operands, inputs)

    def _implied(self, inputs: Inputs) -> Implied:
        return Implied(self.known(inputs), self.paths)

    def _absorbed(self, inputs: Inputs) -> bool:
        """True if a part of the outermost && is false for this caller, so that the other parts do not matter."""
        push = self._push(inputs)
        return isinstance(self.tree, Both) and any(
            id(part) in self.constant and push.truth(part) == FALSE for part in self.tree.of
        )

    def _prepare(self, node: Node) -> bool:
        """Compile the parts that do not depend on the document. Return True if this node is such a part."""
        below = [self._prepare(child) for child in children(node)]
        if all(below) and not _varies(node):
            self.constant[id(node)] = closure(node)
            return True
        operand = _operand_of_field(node)
        if operand is not None:
            self.operands[id(node)] = operand
        return False


def _varies(node: Node) -> bool:
    match node:
        case Name(name=name):
            return name not in ("auth", "now", "request")
        case Call(name=name):
            return name in ("get", "exists")
        case _:
            return False


def _operand_of_field(node: Node) -> Operand | None:
    """Return the operand of a chain such as `doc.a.b`, which is the same for all callers; None for other nodes."""
    names: list[str] = []
    while isinstance(node, Field):
        names.append(node.name)
        node = node.of
    if not names or not isinstance(node, Name) or node.name != "doc":
        return None
    if len(names) == 1 and names[0] in COLUMNS:
        return Column(COLUMNS[names[0]], SYSTEM_FIELDS[names[0]])
    if names[-1].startswith("_") or not all(PLAIN.fullmatch(name) for name in names):
        return None
    return Path(".".join(["$", *reversed(names)]))


class _Push:
    """`constant`, `operands`: the parts whose evaluation and whose operand are the same for all callers."""

    def __init__(self, constant: dict[int, Evaluate], operands: dict[int, Operand], inputs: Inputs) -> None:
        self.constant = constant
        self.operands = operands
        self.inputs = inputs

    def weakened(self, node: Node) -> Pushed:
        """Return a condition that is true for every row where the node is true; if possible, only for these rows.

        SQLite selects a row only for 1, so the tests need not distinguish 0 from NULL. This makes the tests so simple
        that SQLite can use an index.
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
        return Pushed(joined("AND", [condition for condition in conditions if condition != TRUE], TRUE), exact)

    def weakened_any(self, parts: tuple[Node, ...]) -> Pushed:
        pushed = [self.weakened(part) for part in parts]
        if any(part.condition == TRUE and part.exact for part in pushed):
            return Pushed(TRUE, exact=True)
        conditions = [part.condition for part in pushed if part.condition not in (FALSE, ERROR)]
        exact = all(part.exact for part in pushed)
        return Pushed(TRUE, exact=False) if TRUE in conditions else Pushed(joined("OR", conditions, FALSE), exact)

    def truth(self, node: Node, wanted: bool = False) -> Condition:
        """Return SQL that yields 1 if the node is true, 0 if it is false, and NULL if it is an error.

        `wanted`: true if the caller only tests whether the result is 1. Therefore the SQL may yield 0 instead of NULL.
        Below NOT, a 0 for NULL is never allowed, because NOT 0 would turn an error into true. Raises: NotPushed.
        """
        if id(node) in self.constant:
            return truth_of(self.value_of(node))
        match node:
            case Both(of=parts):
                return joined("AND", [self.truth(part, wanted) for part in parts], TRUE)
            case Either(of=parts):
                return joined("OR", [self.truth(part, wanted) for part in parts], FALSE)
            case Not(of=of):
                return around("NOT (", self.truth(of), ")")
            case Choice(when=when, then=then, otherwise=otherwise):
                asked, yes, no = self.truth(when), self.truth(then, wanted), self.truth(otherwise, wanted)
                return Condition(
                    f"CASE ({asked.sql}) WHEN 1 THEN ({yes.sql}) WHEN 0 THEN ({no.sql}) END",
                    asked.params + yes.params + no.params,
                )
            case Operation(sign="==" | "!=" as sign, left=left, right=right):
                alike = equal(self.operand(left), self.operand(right))
                return alike if sign == "==" else around("NOT (", alike, ")")
            case Operation(sign="<" | "<=" | ">" | ">=" as sign, left=left, right=right):
                return ordered(sign, self.operand(left), self.operand(right), wanted)
            case Operation(sign="in", left=left, right=right):
                return contained(self.operand(left), self.operand(right))
            case Call(name="startsWith" | "endsWith" | "contains" | "matches" as name, of=(text, sought)):
                return text_test(name, self.operand(text), self.operand(sought))
            case Has(of=of, name=name):
                return has(self.place(of), name)
            case Field() | Index():
                return as_truth(self.operand(node), wanted)
            case _:
                raise NotPushed

    def operand(self, node: Node) -> Operand:
        """Return one side of a test. Raises: NotPushed."""
        known = self.operands.get(id(node))
        if known is not None:
            return known
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
        """Return the JSON path that the node names in the document. Raises: NotPushed."""
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
        if isinstance(at, float) and at.is_integer():
            at = int(at)
        if isinstance(at, str) and PLAIN.fullmatch(at) and not (place == "$" and at.startswith("_")):
            return f"{place}.{at}"
        if isinstance(at, int) and not isinstance(at, bool) and 0 <= at <= 1 << 20 and place != "$":
            return f"{place}[{at}]"
        raise NotPushed

    def value_of(self, node: Node) -> Constant | Failure:
        """Return the value of a part that does not depend on the document; it is evaluated once for this caller.

        All these parts share the steps of one evaluation.
        """
        inputs = self.inputs
        known = inputs.known = {} if inputs.known is None else inputs.known
        found: Constant | Failure | None = known.get(id(node))
        if found is None:
            inputs.steps = 0
            try:
                found = Constant(self.constant[id(node)](inputs))
            except Failed:
                found = Failure()
            known[id(node)] = found
            inputs.before += inputs.steps
        return found
