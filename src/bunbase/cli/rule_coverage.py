"""The coverage of rules by several test files together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec


class Missing(msgspec.Struct, frozen=True):
    """A condition of a rule that no test case made `never` (true or false)."""

    expr: str
    line: int
    column: int
    never: bool


class Covered(msgspec.Struct, frozen=True):
    """The coverage of one rule. `total`: twice its conditions, since each counts once for true and once for false."""

    collection: str
    rule: str
    total: int
    covered: int
    missing: tuple[Missing, ...]


def merge_runs(runs: Iterable[tuple[Covered, ...]]) -> tuple[Covered, ...]:
    """Return the coverage of all runs over the same rules: only what no run covered is missing."""
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
    """Return the covered part in percent; 100 if the rules have no conditions."""
    rules = tuple(rules)
    total = sum(rule.total for rule in rules)
    return 100.0 if not total else 100.0 * sum(rule.covered for rule in rules) / total


def lines(rules: Iterable[Covered]) -> list[tuple[Any, ...]]:
    """Return a row for everything missing: collection, rule, place, value, condition."""
    return [
        (rule.collection, rule.rule, f"{one.line}:{one.column}", f"never {str(one.never).lower()}", one.expr)
        for rule in rules
        for one in rule.missing
    ]
