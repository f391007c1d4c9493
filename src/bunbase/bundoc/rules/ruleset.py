"""The rules of one collection. An operation without a rule is allowed to the secret key only."""

from __future__ import annotations

from typing import Final, Literal

from bunbase.bundoc.rules.rule import CompiledRule, Filter, compile_rule
from bunbase.contracts.bundoc.collections import Rules
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.refusal import InvalidRule

Operation = Literal["list", "get", "create", "update", "delete"]
OPERATIONS: Final[tuple[Operation, ...]] = ("list", "get", "create", "update", "delete")


class RuleSet:
    """The compiled rules of a collection; it is made when they are saved and kept until they change.

    `nodes`: the number of nodes in all rules that are evaluated for each document of a list.
    """

    def __init__(self, rules: Rules) -> None:
        """Compile all rules. Raises: InvalidRule, with the name of the refused rule in `rule`."""
        self.rules = {
            operation: _compiled(operation, source, operation)
            for operation in OPERATIONS
            if (source := getattr(rules, operation)) is not None
        }
        self.hidden = {path: _compiled(f"hidden/{path}", source, "get") for path, source in rules.hidden.items()}

        self.nodes = sum(
            rule.nodes for rule in ([self.rules["list"]] if "list" in self.rules else []) + [*self.hidden.values()]
        )

    def filter(self, inputs: Inputs) -> Filter | None:
        """Return the list rule as a condition for this caller. None: there is no list rule, so nothing is allowed."""
        rule = self.rules.get("list")
        return None if rule is None else rule.filter(inputs)


def _compiled(name: str, source: str, operation: str) -> CompiledRule:
    try:
        return compile_rule(source, operation)
    except InvalidRule as refused:
        raise InvalidRule(f"{name}: {refused.detail}", rule=name, **refused.extra) from None
