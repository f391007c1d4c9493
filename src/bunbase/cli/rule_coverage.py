"""Merge the coverage of rules from several test files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from rich.text import Text

from bunbase.cli.tables import BUSY, GOOD


class Missing(msgspec.Struct, frozen=True):
    """A condition of a rule that never had the value `never` (true or false) in any test case."""

    expr: str
    line: int
    column: int
    never: bool


class Covered(msgspec.Struct, frozen=True):
    """The coverage of one rule.

    `total`: twice the number of conditions, because each must be true once and false once.
    """

    collection: str
    rule: str
    total: int
    covered: int
    missing: tuple[Missing, ...]


def merge_runs(runs: Iterable[tuple[Covered, ...]]) -> tuple[Covered, ...]:
    """Return the combined coverage of all runs. A condition is missing only if no run covered it."""
    merged: dict[tuple[str, str], Covered] = {}
    for run in runs:
        for one in run:
            before = merged.get((one.collection, one.rule))
            missing = one.missing if before is None else tuple(m for m in before.missing if m in one.missing)
            merged[one.collection, one.rule] = msgspec.structs.replace(
                one, missing=missing, covered=one.total - len(missing)
            )
    return tuple(merged.values())


def percent(rules: Iterable[Covered]) -> float:
    """Return the covered share in percent, or 100 if the rules have no conditions."""
    rules = tuple(rules)
    total = sum(rule.total for rule in rules)
    return 100.0 if not total else 100.0 * sum(rule.covered for rule in rules) / total


def summary(rules: Iterable[Covered]) -> list[tuple[Any, ...]]:
    """Return one row for each rule. Columns: collection, rule, covered conditions."""
    return [(rule.collection, rule.rule, _covered(rule)) for rule in rules]


def _never(one: Missing) -> Text:
    return Text(f"never {str(one.never).lower()}", BUSY)


def _covered(rule: Covered) -> Text:
    if not rule.total:
        return Text("no condition", "dim")
    return Text(f"{rule.covered} of {rule.total}", GOOD if rule.covered == rule.total else BUSY)


def lines(rules: Iterable[Covered]) -> list[tuple[Any, ...]]:
    """Return one row for each condition that was never true or never false in the cases.

    Columns: collection, rule, place, missing value, condition.
    """
    return [
        (
            rule.collection,
            rule.rule,
            f"{one.line}:{one.column}",
            _never(one),
            one.expr,
        )
        for rule in rules
        for one in rule.missing
    ]
