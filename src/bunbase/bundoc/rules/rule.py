"""A compiled rule, which decides about one document, or becomes a condition on many documents."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bunbase.bundoc.query import filters
from bunbase.bundoc.query.condition import FALSE, TRUE, Condition
from bunbase.bundoc.query.implies import conjuncts
from bunbase.bundoc.query.plan import Bound
from bunbase.bundoc.rules.conditions import Conditions
from bunbase.bundoc.rules.look_ups import LookUpPart, LookUps, Values, fixed_values
from bunbase.bundoc.rules.ordinary import lookups_in, ordinary_inputs
from bunbase.bundoc.rules.seen import reads_of
from bunbase.pkg.rules.check import check
from bunbase.pkg.rules.closures import closure
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.parser import parse
from bunbase.pkg.rules.pattern_total import PatternTotal
from bunbase.pkg.rules.syntax import Node, counted
from bunbase.pkg.rules.trace import Step, traced
from bunbase.pkg.rules.values import Failed


class Narrowing(msgspec.Struct, frozen=True):
    """The verdict of a rule for one caller about all rows of a collection; it narrows the search of a list.

    `condition`: a condition that selects at least the rows that the rule allows; None selects all rows.
    `residual`: True if the condition may select more rows than the rule, so the rule must still decide about each row.
    `nothing`: True if the rule allows this caller no document at all.
    """

    condition: Condition | None
    residual: bool
    nothing: bool = False


class CompiledRule:
    """A compiled rule. It holds no data of callers, so Bundoc keeps the compiled rule until the rule changes.

    `reads`: the parts of the documents that the rule reads.
    """

    def __init__(self, source: str, operation: str, patterns: PatternTotal | None = None) -> None:
        """Compile a rule.

        `operation`: list, get, create, update or delete. `patterns`: the patterns of new rules, whose total size is
        limited.

        Raises: InvalidRule, with the line and column of the error.
        """
        self.source = source
        self.operation = operation
        self.tree = parse(source)
        if patterns is not None:
            patterns.add(source, self.tree)
        check(source, self.tree, operation)
        self._compile()

    def _compile(self) -> None:
        self.evaluate = closure(self.tree)
        self.nodes = counted(self.tree)
        self.conditions = Conditions(self.tree)
        self.look_ups = LookUps(self.tree)
        self.reads = reads_of([self.tree])

    def with_tree(self, tree: Node) -> CompiledRule:
        """Return a copy of this rule with another tree. The nodes of this tree refer to the same source."""
        rule = CompiledRule.__new__(CompiledRule)
        rule.source, rule.operation, rule.tree = self.source, self.operation, tree
        rule._compile()
        return rule

    @property
    def is_fixed(self) -> bool:
        """True if the rule depends only on the caller and the time, and has one value for all documents."""
        return self.conditions.is_fixed

    def allows(self, inputs: Inputs) -> bool:
        """True if the rule allows the document of `inputs`. A rule that fails does not allow the document."""
        try:
            inputs.begin(self.nodes)
            return self.evaluate(inputs) is True
        except Failed:
            return False

    def denies(self, inputs: Inputs) -> bool:
        """True if the rule evaluates to false. If the rule fails, `denies` and `allows` are both false."""
        try:
            inputs.begin(self.nodes)
            return self.evaluate(inputs) is False
        except Failed:
            return False

    def never(self, inputs: Inputs) -> bool:
        """True if the rule is false for the caller of `inputs` for every possible document."""
        return self.conditions.never(inputs)

    def narrowing(self, inputs: Inputs) -> Narrowing:
        """Return the rule as a condition for the caller of `inputs`; `inputs.doc` is not used."""
        pushed = self.conditions.pushed(inputs)
        if pushed.condition == FALSE:
            return Narrowing(FALSE, residual=False, nothing=True)
        return Narrowing(None if pushed.condition == TRUE else pushed.condition, residual=not pushed.exact)

    def implied(self, inputs: Inputs) -> filters.Filter:
        """Return a filter that helps to choose an index, in addition to the filter of the query (`Search.implied`)."""
        return self.conditions.implied(inputs)

    def bound(self, inputs: Inputs) -> Bound:
        """Return the properties of the rule, for this caller, that decide which index a query may use."""
        return self.conditions.bound(inputs)

    def ordinary(self) -> Inputs | None:
        """Return the inputs of an ordinary user; None if the rule needs no document.

        These inputs show in advance how lists will work.
        """
        return ordinary_inputs(self.tree, self.conditions, self.operation)

    def lookups(self) -> int:
        """Return how many look-ups the rule contains."""
        return lookups_in(self.tree)

    def settled(
        self, where: filters.Filter, inputs: Inputs, evaluated: Callable[[LookUpPart, Values], bool]
    ) -> CompiledRule | None:
        """Return the rule without the look-ups that have one value for a query; None if there are none.

        `where`: the filter of the query. `evaluated`: a function that evaluates a part for a document with only the
        given fields.
        """
        if not self.look_ups.parts:
            return None
        values = fixed_values([*conjuncts(where), *conjuncts(self.implied(inputs))])
        tree = self.look_ups.replaced(values, self.conditions.known(inputs), lambda part: evaluated(part, values))
        return None if tree is None else self.with_tree(tree)

    def left_over(self, inputs: Inputs) -> list[str]:
        """Return the source of the parts that are evaluated for each document that the rest of the rule allows."""
        return [self.source[part.start : part.end] for part in self.conditions.left_over(inputs)]

    def trace(self, inputs: Inputs) -> tuple[bool, list[Step]]:
        """Return the decision of `allows`, and the values of the rule's parts."""
        inputs.begin(self.nodes)
        return traced(self.source, self.tree, inputs)
