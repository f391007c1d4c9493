"""The rules of channels. A rule may look up documents, which belong to Bundoc.

The life of one decision:

1. `Decision.allows` evaluates a rule with the documents that are known so far.
2. If the rule looks up another document, the evaluation stops with `_Unknown`. The document is fetched, and the rule is
   evaluated again. A rule looks up at most ten documents, so this ends.
3. `Decision.documents` then has each document that the rule has asked for, even if the document does not exist. The
   subscription depends on these documents: when one of them changes, the rule decides again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Literal, cast

import msgspec

from bunbase.buncast.turns import Turns
from bunbase.pkg.rules.check import check
from bunbase.pkg.rules.closures import closure
from bunbase.pkg.rules.inputs import BYTES_FOR_A_STEP, MAX_STEPS, Inputs, Postponed, json_value
from bunbase.pkg.rules.parser import parse
from bunbase.pkg.rules.pattern_total import PatternTotal
from bunbase.pkg.rules.syntax import Loop, Name, Node, children, counted
from bunbase.pkg.rules.trace import Step, traced
from bunbase.pkg.rules.values import Failed

Act = Literal["subscribe", "publish", "presence"]
Address = tuple[str, str]  # The collection and the id of a document.
Fetch = Callable[[Address], Awaitable[dict[str, Any] | None]]

LOOP_STEPS: Final = 20_000  # In the event loop, a rule takes at most this many steps (2 ms). A thread does more work.
CALL_STEPS: Final = 2_000_000  # All rules of one call take at most this many steps together.


class ChannelRule:
    """A compiled rule. `reads_message`, `reads_time`: true if its source has the variable `message` or `now`."""

    def __init__(self, source: str, act: Act, params: tuple[str, ...], patterns: PatternTotal) -> None:
        """`patterns`: the patterns of the other rules of the channel. Raises: InvalidRule."""
        self.source = source
        tree = parse(source)
        patterns.add(source, tree)
        check(source, tree, act, params)
        self.evaluate = closure(tree)
        self.nodes = counted(tree)
        self.reads_message = _names(tree, "message")
        self.reads_time = _names(tree, "now")

    def decide(self, inputs: Inputs) -> bool:
        """Return the value of the rule. A rule that fails denies access."""
        try:
            inputs.begin(self.nodes)
            return self.evaluate(inputs) is True
        except Failed:
            return False

    def trace(self, inputs: Inputs) -> tuple[bool, list[Step]]:
        """Return the value of the rule, and the value of each of its parts."""
        try:
            inputs.begin(self.nodes)
        except Failed as failed:
            return False, [Step("the rule", error=str(failed))]
        return traced(self.source, parse(self.source), inputs)


class Subject(msgspec.Struct, frozen=True):
    """The variables of a rule. `message`: JSON text; None for null."""

    auth: dict[str, Any] | None
    channel: str
    params: dict[str, str]
    now: datetime
    message: bytes | None = None


class Budget:
    """The steps that the rules of one call may still take. When no steps are left, rules deny access."""

    def __init__(self, steps: int = CALL_STEPS) -> None:
        self.left = steps

    def read(self, text: bytes) -> None:
        """Count a text before a rule reads it."""
        self.left -= len(text) // BYTES_FOR_A_STEP


class Decision:
    """Decides rules, and notes the documents that they look up. `timed`: true if a rule has read the time."""

    def __init__(self, fetch: Fetch, turns: Turns, budget: Budget) -> None:
        self.fetch = fetch
        self.turns = turns
        self.budget = budget
        self.documents: dict[Address, dict[str, Any] | None] = {}
        self.timed = False

    async def allows(self, rule: ChannelRule | None, subject: Subject) -> bool:
        """True if there is a rule, and it is true. Raises: the Problems of `fetch`."""
        if rule is None:
            return False
        self.timed = self.timed or rule.reads_time
        message = await self._read(subject.message) if rule.reads_message and subject.message is not None else None
        variables = {"channel": subject.channel, "params": subject.params, "message": message}
        while True:
            try:
                return await self._evaluated(rule, subject, variables)
            except _Unknown as unknown:
                self.documents[unknown.address] = await self.fetch(unknown.address)

    async def _evaluated(self, rule: ChannelRule, subject: Subject, variables: dict[str, Any]) -> bool:
        def inputs(most: int, postpones: bool) -> Inputs:
            return Inputs(
                auth=subject.auth,
                now=subject.now,
                lookup=self._known,
                bound=variables,
                most=most,
                postpones=postpones,
            )

        left = self.budget.left
        await self.turns.free()
        given = inputs(min(LOOP_STEPS, left), left > LOOP_STEPS)
        try:
            with self.turns:
                return rule.decide(given)
        except Postponed:
            given = inputs(min(MAX_STEPS, left), False)
            return await asyncio.to_thread(rule.decide, given)
        finally:
            self.budget.left -= 1 + given.steps

    async def trace(self, rule: ChannelRule, subject: Subject) -> list[dict[str, Any]]:
        """Return the value of each part of a rule, in the order of evaluation. Raises: the Problems of `fetch`."""
        message = await self._read(subject.message) if rule.reads_message and subject.message is not None else None
        variables = {"channel": subject.channel, "params": subject.params, "message": message}
        while True:
            given = Inputs(auth=subject.auth, now=subject.now, lookup=self._known, bound=variables, most=MAX_STEPS)
            try:
                _, steps = await asyncio.to_thread(rule.trace, given)
            except _Unknown as unknown:
                self.documents[unknown.address] = await self.fetch(unknown.address)
            else:
                return cast("list[dict[str, Any]]", msgspec.to_builtins(steps))

    async def _read(self, message: bytes) -> Any:
        self.budget.read(message)
        await self.turns.free()
        with self.turns:
            return json_value(message)

    def _known(self, collection: str, id: str) -> dict[str, Any] | None:
        if (collection, id) not in self.documents:
            raise _Unknown((collection, id))
        return self.documents[collection, id]


class _Unknown(Exception):
    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.address = address


def _names(tree: Node, name: str) -> bool:
    """True if the tree has the variable `name`. A loop that binds the same name counts too.

    Such a wrong result only costs time.
    """
    found = (isinstance(tree, Name) and tree.name == name) or (isinstance(tree, Loop) and tree.name == name)
    return found or any(_names(child, name) for child in children(tree))
