"""The rules of one collection, and how they are asked. No rule = nobody but the secret key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, TypeVar

from bunbase.bundoc.rules.inputs import Inputs
from bunbase.bundoc.rules.masks import masked
from bunbase.bundoc.rules.rule import CompiledRule, Filter, compile_rule
from bunbase.bundoc.rules.trace import Step
from bunbase.contracts.bundoc import InvalidRule, Rules

Operation = Literal["list", "get", "create", "update", "delete"]
OPERATIONS: Final[tuple[Operation, ...]] = ("list", "get", "create", "update", "delete")

T = TypeVar("T")

Fetch = Callable[[str, str], Awaitable[dict[str, Any] | None]]


class RuleSet:
    """The compiled rules of a collection: make it when they are saved, keep it until they are saved again."""

    def __init__(self, rules: Rules) -> None:
        """Raises: InvalidRule, whose `rule` names the one that is refused."""
        self.rules = {
            operation: _compiled(operation, source, operation)
            for operation in OPERATIONS
            if (source := getattr(rules, operation)) is not None
        }
        self.hidden = {path: _compiled(f"hidden/{path}", source, "get") for path, source in rules.hidden.items()}

    async def allows(self, operation: Operation, inputs: Inputs, fetch: Fetch) -> bool:
        rule = self.rules.get(operation)
        return rule is not None and await decided(rule, inputs, fetch)

    def filter(self, inputs: Inputs) -> Filter | None:
        """Give the list rule as a condition for this caller; None: there is no such rule, which allows nothing."""
        rule = self.rules.get("list")
        return None if rule is None else rule.filter(inputs)

    async def shown(self, body: bytes, inputs: Inputs, fetch: Fetch) -> bytes:
        """Give the document without what this reader may not see. A rule that fails hides."""
        hidden = [path for path, rule in self.hidden.items() if not await _denied_by(rule, inputs, fetch)]
        return masked(body, hidden)

    async def trace(self, operation: Operation, inputs: Inputs, fetch: Fetch) -> tuple[bool, list[Step]]:
        """Decide as `allows` does, and say why."""
        rule = self.rules.get(operation)
        if rule is None:
            return False, [Step(operation, error=f"there is no {operation} rule, which denies")]
        return await _fetching(rule.trace, inputs, fetch)


async def decided(rule: CompiledRule, inputs: Inputs, fetch: Fetch) -> bool:
    """Ask a rule that may look documents up where looking up means waiting."""
    return await _fetching(rule.allows, inputs, fetch)


class _Wanted(Exception):
    """The rule wants a document that is not at hand yet."""


async def _fetching(ask: Callable[[Inputs], T], inputs: Inputs, fetch: Fetch) -> T:
    """Ask again with each document the rule turns out to want; `Inputs` bounds how many these can be."""
    found: dict[tuple[str, str], dict[str, Any] | None] = {}

    def lookup(collection: str, id: str) -> dict[str, Any] | None:
        if (collection, id) not in found:
            raise _Wanted(collection, id)
        return found[collection, id]

    inputs.lookup = lookup
    while True:
        try:
            return ask(inputs)
        except _Wanted as wanted:
            collection, id = wanted.args
            found[collection, id] = await fetch(collection, id)


async def _denied_by(rule: CompiledRule, inputs: Inputs, fetch: Fetch) -> bool:
    """Say whether the rule is exactly false: true and an error both hide."""
    return await _fetching(rule.denies, inputs, fetch)


def _compiled(name: str, source: str, operation: str) -> CompiledRule:
    try:
        return compile_rule(source, operation)
    except InvalidRule as refused:
        raise InvalidRule(f"{name}: {refused.detail}", rule=name, **refused.extra) from None
