"""The trace of a rule explains its decision: it contains the value of each part, in the order of evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from bunbase.pkg.clock import rfc3339
from bunbase.pkg.rules.closures import Evaluate, closure
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.refusal import place
from bunbase.pkg.rules.syntax import Literal, Node
from bunbase.pkg.rules.values import Diff, Failed

MAX_STEPS: Final = 200
MAX_CHARACTERS: Final = 200  # An expression or value with more characters of JSON is shortened.


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of one part of a rule.

    `value`: the value, which is shortened if it is long. `error`: the reason why there is no value. `line` and `column`
    count from 1.
    """

    expr: str
    value: Any = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET
    line: int = 0
    column: int = 0


def traced(source: str, tree: Node, inputs: Inputs) -> tuple[bool, list[Step]]:
    """Evaluate the rule. Return True if it allows access, and the first MAX_STEPS steps."""
    steps: list[Step] = []

    def watch(node: Node, evaluate: Evaluate) -> Evaluate:
        if isinstance(node, Literal):
            return evaluate
        expr = _short(source[node.start : node.end])
        line, column = place(source, node.start)

        def watched(inputs: Inputs) -> Any:
            try:
                value = evaluate(inputs)
            except Failed as failed:
                if len(steps) < MAX_STEPS:
                    steps.append(Step(expr, error=str(failed), line=line, column=column))
                raise
            if len(steps) < MAX_STEPS:
                steps.append(Step(expr, value=_shown(value), line=line, column=column))
            return value

        return watched

    try:
        return closure(tree, watch)(inputs) is True, steps
    except Failed:
        return False, steps


def _shown(value: Any) -> Any:
    match value:
        case datetime():
            return rfc3339(value)
        case timedelta():
            return f"{value.total_seconds()}s"
        case Diff():
            return {"after": _shown(value.after), "before": _shown(value.before)}
        case list() | dict():
            text = msgspec.json.encode(_beginning(value, [MAX_CHARACTERS])).decode()
            return value if len(text) <= MAX_CHARACTERS else _short(text)
        case str():
            return _short(value)
        case _:
            return value


def _beginning(value: Any, left: list[int]) -> Any:
    """Return the first part of a value, slightly longer than the part that the trace shows.

    A value may be a whole document that appears in many steps. Encoding the whole document in each step would be slow.
    `left`: the number of characters and values that are still allowed.
    """
    match value:
        case str():
            kept = value[: left[0] + 1]
            left[0] -= len(kept)
            return kept
        case list():
            return [_beginning(one, left) for one in _some(value, left)]
        case dict():
            return {_beginning(name, left): _beginning(value[name], left) for name in _some(value, left)}
        case _:
            return value


def _some(values: Iterable[Any], left: list[int]) -> Iterator[Any]:
    for one in values:
        if left[0] < 0:
            return
        left[0] -= 1
        yield one


def _short(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "…"
