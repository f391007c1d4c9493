"""From a rule to a condition on the rows of a collection.

SQL's three values carry CEL's: 1 true, 0 false, NULL an error. AND, OR and NOT then absorb errors exactly as && || !
do, and a row whose condition is NULL is not selected, as an error denies. What does not touch the document is
evaluated here, for this caller, and becomes a parameter. Only field names of CEL's own grammar stand in the text.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from bunbase.bundoc.query import filters
from bunbase.bundoc.query.condition import FALSE, TRUE, Condition
from bunbase.bundoc.rules.implied import ValueOf, implied, is_all, words
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
MAX_CHARACTERS: Final = 100_000  # of SQL: a list of claims must not become a statement that takes long to read
PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
COLUMNS: Final = {"_id": "d.id", "_rev": "d.rev", "_created": "d.created", "_updated": "d.updated"}


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
        if len(condition.params) > MAX_PARAMETERS or len(condition.sql) > MAX_CHARACTERS:
            return Pushed(TRUE, exact=False)
        return Pushed(FALSE, exact=True) if pushed.condition == ERROR and pushed.exact else pushed

    def implied(self, inputs: Inputs) -> filters.Filter:
        """Give a filter that every document fulfils which the rule allows this caller: it chooses an index."""
        return implied(self.tree, self._known(inputs))

    def is_all_implied(self, inputs: Inputs) -> bool:
        """Say whether `implied` is the rule itself, for all documents without an array on its paths."""
        return is_all(self.tree, self._known(inputs))

    def words(self, inputs: Inputs) -> tuple[filters.Filter, ...]:
        """Return the tests of single fields that the rule makes for this caller."""
        return words(self.tree, self._known(inputs))

    def never(self, inputs: Inputs) -> bool:
        """Say whether the rule is plainly false for this caller, whatever the document holds."""
        try:
            return _Push(self.constant, inputs).truth(self.tree) == FALSE or self._absorbed(inputs)
        except NotPushed:
            return self._absorbed(inputs)

    def _known(self, inputs: Inputs) -> ValueOf:
        push = _Push(self.constant, inputs)
        return lambda node: push.value_of(node) if id(node) in self.constant else None

    def _absorbed(self, inputs: Inputs) -> bool:
        """`false && …` is false, whatever stands behind it."""
        push = _Push(self.constant, inputs)
        return isinstance(self.tree, Both) and any(
            id(part) in self.constant and push.truth(part) == FALSE for part in self.tree.of
        )

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
        return Pushed(joined("AND", [condition for condition in conditions if condition != TRUE], TRUE), exact)

    def weakened_any(self, parts: tuple[Node, ...]) -> Pushed:
        pushed = [self.weakened(part) for part in parts]
        if any(part.condition == TRUE and part.exact for part in pushed):
            return Pushed(TRUE, exact=True)
        conditions = [part.condition for part in pushed if part.condition not in (FALSE, ERROR)]
        exact = all(part.exact for part in pushed)
        return Pushed(TRUE, exact=False) if TRUE in conditions else Pushed(joined("OR", conditions, FALSE), exact)

    def truth(self, node: Node, wanted: bool = False) -> Condition:
        """Give 1, 0 or NULL as the node is true, false or an error; if only truth is `wanted`, 0 and NULL are alike.

        Raises: NotPushed.
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
        """Evaluate a part once for this caller. All parts together have the steps of one evaluation."""
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
