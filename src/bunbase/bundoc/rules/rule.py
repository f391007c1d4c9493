"""A rule, ready to decide: about one document, or as a condition over many."""

from __future__ import annotations

from typing import Any

import msgspec

from bunbase.bundoc.query import filters
from bunbase.bundoc.query.condition import FALSE, TRUE, Condition
from bunbase.bundoc.rules.conditions import Conditions
from bunbase.contracts.caller import EndUser
from bunbase.pkg.rules.check import check
from bunbase.pkg.rules.closures import closure
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.parser import parse
from bunbase.pkg.rules.syntax import counted
from bunbase.pkg.rules.trace import Step, traced
from bunbase.pkg.rules.values import Failed


class Filter(msgspec.Struct, frozen=True):
    """A rule for one caller, over a collection's rows.

    `condition`: None lets all rows through. `residual`: what it lets through, the rule must still be asked about;
    it is never stricter than the rule. `nothing`: the rule allows this caller no document at all.
    """

    condition: Condition | None
    residual: bool
    nothing: bool = False


class CompiledRule:
    """Made by `compile_rule`; holds nothing of any caller, so it may be kept for as long as the rule stands."""

    def __init__(self, source: str, operation: str) -> None:
        self.source = source
        self.operation = operation
        self.tree = parse(source)
        check(source, self.tree, operation)
        self.evaluate = closure(self.tree)
        self.nodes = counted(self.tree)
        self.conditions = Conditions(self.tree)

    def allows(self, inputs: Inputs) -> bool:
        """Decide about one document; an error denies."""
        try:
            inputs.begin(self.nodes)
            return self.evaluate(inputs) is True
        except Failed:
            return False

    def denies(self, inputs: Inputs) -> bool:
        """Say whether the rule is plainly false: an error is neither this nor `allows`."""
        try:
            inputs.begin(self.nodes)
            return self.evaluate(inputs) is False
        except Failed:
            return False

    def never(self, inputs: Inputs) -> bool:
        """Say whether `denies` holds for the caller of `inputs` whatever the document is."""
        return self.conditions.never(inputs)

    def filter(self, inputs: Inputs) -> Filter:
        """Give the rule as a condition for the caller of `inputs`, whose `doc` is not looked at."""
        pushed = self.conditions.pushed(inputs)
        if pushed.condition == FALSE:
            return Filter(FALSE, residual=False, nothing=True)
        return Filter(None if pushed.condition == TRUE else pushed.condition, residual=not pushed.exact)

    def implied(self, inputs: Inputs) -> filters.Filter:
        """Give what a search may choose its index by, besides its own filter (`Search.implied`)."""
        return self.conditions.implied(inputs)

    def is_all_implied(self, inputs: Inputs) -> bool:
        """Say whether `implied` is the rule itself, for all documents without an array on its paths."""
        return self.conditions.is_all_implied(inputs)

    def words(self, inputs: Inputs) -> tuple[filters.Filter, ...]:
        """Return the tests of single fields that the rule makes for this caller (`Search.words`)."""
        return self.conditions.words(inputs)

    def trace(self, inputs: Inputs) -> tuple[bool, list[Step]]:
        """Decide as `allows` does, and give the values of the rule's parts."""
        inputs.begin(self.nodes)
        return traced(self.source, self.tree, inputs)


def compile_rule(source: str, operation: str) -> CompiledRule:
    """`operation`: list, get, create, update or delete. Raises: InvalidRule, naming line and column."""
    return CompiledRule(source, operation)


def auth_of(user: EndUser | None) -> dict[str, Any] | None:
    """Give `auth` as rules see it: null when nobody is signed in."""
    if user is None:
        return None
    return {"uid": user.uid, "email": user.email, "role": user.role, "claims": user.claims}
