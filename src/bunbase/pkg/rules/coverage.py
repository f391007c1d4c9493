"""The coverage of a rule by its test cases: which of its conditions have been true, and which have been false."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from bunbase.pkg.rules.closures import Evaluate, closure
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.refusal import place
from bunbase.pkg.rules.syntax import Both, Choice, Either, Literal, Loop, Node, Not, children, counted
from bunbase.pkg.rules.values import Failed

DECIDING: Final = frozenset({"all", "exists", "exists_one", "filter"})  # The body of these loops is a condition.


class Uncovered(msgspec.Struct, frozen=True):
    """A condition that never had the value `never`."""

    expr: str
    line: int
    column: int
    never: bool


class Coverage:
    """Records the coverage of one rule. Each condition counts twice: once for true and once for false."""

    def __init__(self, source: str, tree: Node) -> None:
        self.source = source
        self.nodes = counted(tree)
        self.conditions = {id(node): node for node in _conditions(tree, deciding=True)}
        self.seen: set[tuple[int, bool]] = set()
        self.evaluate = closure(tree, self._watched)

    @property
    def total(self) -> int:
        return 2 * len(self.conditions)

    def note(self, inputs: Inputs) -> None:
        """Evaluate the rule once more and record the values of its conditions."""
        try:
            inputs.begin(self.nodes)
            self.evaluate(inputs)
        except Failed:
            return

    def missing(self) -> Iterator[Uncovered]:
        """Yield each condition with each value that it has never had."""
        for number, node in self.conditions.items():
            for value in (True, False):
                if (number, value) not in self.seen:
                    line, column = place(self.source, node.start)
                    yield Uncovered(self.source[node.start : node.end], line, column, value)

    def _watched(self, node: Node, evaluate: Evaluate) -> Evaluate:
        number = id(node)
        if number not in self.conditions:
            return evaluate

        def watched(inputs: Inputs) -> Any:
            value = evaluate(inputs)
            if isinstance(value, bool):
                self.seen.add((number, value))
            return value

        return watched


def _conditions(node: Node, deciding: bool = False) -> Iterator[Node]:
    """Yield the conditions below a node.

    Conditions are the parts of &&, || and !, the part before ?, and the bodies of loops. Literals do not count.
    """
    match node:
        case Both(of=parts) | Either(of=parts):
            for part in parts:
                yield from _conditions(part, deciding=True)
        case Not(of=of):
            yield from _conditions(of, deciding=True)
        case Choice(when=when, then=then, otherwise=otherwise):
            yield from _conditions(when, deciding=True)
            yield from _conditions(then, deciding)
            yield from _conditions(otherwise, deciding)
        case Loop(macro=macro, over=over, body=body):
            if deciding:
                yield node
            yield from _conditions(over)
            yield from _conditions(body, deciding=macro in DECIDING)
        case _:
            if deciding and not isinstance(node, Literal):
                yield node
            for child in children(node):
                yield from _conditions(child)
