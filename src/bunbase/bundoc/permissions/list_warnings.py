"""Warn about list rules that work with few documents, but make lists fail when the collection has grown.

If no index serves the rule of a list, the list reads every document of the collection. The answer is right until
reading takes longer than `bundoc.read_seconds`, or until a rule that looks up documents has used the steps of a list.
Developers should get a warning when they write the rule (docs/decisions/0079-rules-warn-before-they-refuse.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from bunbase.bundoc.permissions.access import LOOKUP_STEPS, SCAN_STEPS
from bunbase.bundoc.query.budgets import READ_PER_SECOND
from bunbase.bundoc.query.filters import EVERYTHING, NOTHING, Compare
from bunbase.bundoc.query.implies import conjuncts
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.plan import Bound, Index, choose
from bunbase.bundoc.query.ranges import Range
from bunbase.bundoc.query.sort import Order, SortField, parse_sort
from bunbase.bundoc.query.wanted import wanted
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.contracts.bundoc.collections import Collection, IndexState, RuleWarning
from bunbase.pkg.rules.inputs import BYTES_FOR_A_STEP

MAX_WARNINGS: Final = 100  # One answer has at most this many warnings.

DOCUMENT_BYTES: Final = 256  # The size of a small document. A list of larger documents is refused earlier.


class Unserved(msgspec.Struct, frozen=True):
    """A list rule that makes a list read the whole collection. `bound`: the limits of a search by an ordinary user.

    `evaluated`: the rule is evaluated for each document, because SQL cannot express a part of it. `to_set`: the fields
    that a filter must set to one value, so that the look-ups of the rule happen only once.
    """

    rule: CompiledRule
    bound: Bound
    evaluated: bool
    to_set: tuple[SortField, ...]


def warnings_for(
    rules: Iterable[tuple[str, RuleSet]], stored: Iterable[Collection], read_seconds: float
) -> tuple[RuleWarning, ...]:
    """Return the warnings about the rules of some collections, with the indexes that the collections have now."""
    indexes = {one.name: one.indexes for one in stored}
    found = (list_warning(name, one, indexes.get(name, ()), read_seconds) for name, one in rules)
    return tuple([warning for warning in found if warning is not None][:MAX_WARNINGS])


def list_warning(
    collection: str, rules: RuleSet, indexes: tuple[IndexState, ...], read_seconds: float
) -> RuleWarning | None:
    """Return the warning about the list rule; None if an index serves it, or if it needs none."""
    found = unserved(rules, indexes)
    if found is None:
        return None
    most = _most_documents(found, read_seconds)
    index, remedy = _remedy(found, indexes)
    detail = (
        f"The list rule of {collection} is served by no index, so a list reads every document of the collection. From "
        f"about {most} documents on, it will be refused. {remedy}"
    )
    return RuleWarning(collection, "list", detail, most, index)


def unserved(rules: RuleSet, indexes: Iterable[IndexState]) -> Unserved | None:
    """Return the list rule if a list of an ordinary user, without a filter, reads the whole collection because of this
    rule.
    """
    rule = rules.rules.get("list")
    inputs = None if rule is None else rule.ordinary()
    if rule is None or inputs is None:
        return None
    settled = rule.settled(EVERYTHING, inputs, lambda part, _: not part.is_alternative)
    if settled is not None:
        rule, inputs = settled, settled.ordinary()
        if inputs is None:
            return None
    narrowing = rule.narrowing(inputs)
    bound = rule.bound(inputs)
    if narrowing.nothing or NOTHING in conjuncts(bound.implied) or not (narrowing.condition or narrowing.residual):
        return None
    plan = choose(EVERYTHING, Order(), [_index(one) for one in indexes if one.type == "keys"], bound)
    if plan.index is not None or plan.ranges != (Range(),):
        return None
    to_set = tuple([SortField(path) for path in rule.look_ups.fields_to_set(rule.conditions.known(inputs))])
    return Unserved(rule, bound, narrowing.residual, to_set if all(field.is_named for field in to_set) else ())


def _most_documents(found: Unserved, read_seconds: float) -> int:
    """Return the number of documents above which a list is refused, rounded down to two digits."""
    most = int(READ_PER_SECOND * read_seconds)
    if found.evaluated:
        read = DOCUMENT_BYTES // BYTES_FOR_A_STEP
        most = min(most, SCAN_STEPS // (1 + found.rule.nodes + read + found.rule.lookups() * (LOOKUP_STEPS + read)))
    unit = int(10 ** max(0, len(str(most)) - 2))
    return most // unit * unit


def _remedy(found: Unserved, indexes: Iterable[IndexState]) -> tuple[dict[str, Any] | None, str]:
    """Return the index to add, None if there is none, and a sentence about the remedy."""
    if fields := [str(field) for field in wanted(EVERYTHING, Order(), found.bound)]:
        return {"fields": fields}, f"Add an index on [{', '.join(fields)}] to the collection."
    if found.to_set:
        return _settling_remedy([str(field) for field in found.to_set], indexes)
    compared = [SortField(test.path) for test in found.bound.words if isinstance(test, Compare)]
    repeatable = next((str(field) for field in compared if field.is_named), None)
    if repeatable is not None:
        known = any(one.fields[0].removeprefix("-") == repeatable for one in indexes if one.type == "keys")
        add = "" if known else f", and add an index on [{repeatable}] to the collection"
        advice = f"Repeat the rule's condition on {repeatable} in the filter of each query{add}."
        return (None if known else {"fields": [repeatable]}), advice
    if found.rule.lookups():
        return None, (
            "No index can serve a look-up: keep the field that it finds in the documents or in the claims of the user, "
            "and compare this field with ==."
        )
    return None, "No index can serve this rule: add a comparison of a field with ==, joined by &&."


def _settling_remedy(fields: list[str], indexes: Iterable[IndexState]) -> tuple[dict[str, Any] | None, str]:
    """Return the remedy for look-ups whose keys use only the user, and fields that a filter can set to one value."""
    keyed = [{field.removeprefix("-") for field in one.fields[: len(fields)]} for one in indexes if one.type == "keys"]
    known = set(fields) in keyed
    names = " and ".join(fields)
    add = "" if known else f", and add an index on [{', '.join(fields)}] to the collection"
    once = "Then the rule looks up one document for the whole query, and not one for each document."
    return (None if known else {"fields": fields}), f"Set {names} to one value in the filter of each query{add}. {once}"


def _index(state: IndexState) -> Index:
    where = EVERYTHING if state.where is None else parse_where(msgspec.json.encode(state.where), kept=True)
    return Index(state.name, parse_sort(state.fields), state.unique, where=where)
