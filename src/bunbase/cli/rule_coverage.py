"""What several files of tests cover together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec


class Missing(msgspec.Struct, frozen=True):
    """A condition that never had the value `never`."""

    expr: str
    line: int
    column: int
    never: bool


class Covered(msgspec.Struct, frozen=True):
    """One rule. `total`: its conditions, each counted for true and for false."""

    collection: str
    rule: str
    total: int
    covered: int
    missing: tuple[Missing, ...]


def together(runs: Iterable[tuple[Covered, ...]]) -> tuple[Covered, ...]:
    """Give what is still missing after all runs over the same rules."""
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
    """Give how many of all conditions were both true and false; rules without any are covered."""
    rules = tuple(rules)
    total = sum(rule.total for rule in rules)
    return 100.0 if not total else 100.0 * sum(rule.covered for rule in rules) / total


def lines(rules: Iterable[Covered]) -> list[tuple[Any, ...]]:
    """Give what was never tried: collection, rule, place, value, condition."""
    return [
        (rule.collection, rule.rule, f"{one.line}:{one.column}", f"never {str(one.never).lower()}", one.expr)
        for rule in rules
        for one in rule.missing
    ]
