"""The rules of one collection. Only the secret key may do an operation that has no rule."""

from __future__ import annotations

from typing import Final, Literal

from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.rules.seen import reads_of
from bunbase.contracts.bundoc.collections import Rules
from bunbase.pkg.rules.pattern_total import PatternTotal
from bunbase.pkg.rules.refusal import InvalidRule

Operation = Literal["list", "get", "create", "update", "delete"]
OPERATIONS: Final[tuple[Operation, ...]] = ("list", "get", "create", "update", "delete")


class RuleSet:
    """The compiled rules of a collection, which are kept in memory until the rules change.

    `nodes`: the number of nodes in the rules that a list evaluates for each document. `absent`: true if the collection
    does not exist, and therefore has no rules. `hidden_reads`: the part of a document that the rules of hidden fields
    read.
    """

    def __init__(self, rules: Rules, absent: bool = False, new: bool = False) -> None:
        """Compile all rules. `new`: true if the rules are not stored yet. The patterns of new rules are limited.

        Raises: InvalidRule, with the name of the refused rule in `rule`.
        """
        self.absent = absent
        patterns = PatternTotal() if new else None
        self.rules = {
            operation: _compiled(operation, source, operation, patterns)
            for operation in OPERATIONS
            if (source := getattr(rules, operation)) is not None
        }
        self.hidden = {
            path: _compiled(f"hidden/{path}", source, "get", patterns) for path, source in rules.hidden.items()
        }
        self.hidden_reads = reads_of([rule.tree for rule in self.hidden.values()])
        self.nodes = sum(
            rule.nodes for rule in ([self.rules["list"]] if "list" in self.rules else []) + [*self.hidden.values()]
        )


def _compiled(name: str, source: str, operation: str, patterns: PatternTotal | None) -> CompiledRule:
    try:
        return CompiledRule(source, operation, patterns)
    except InvalidRule as refused:
        raise InvalidRule(f"{name}: {refused.detail}", rule=name, **refused.extra) from None
