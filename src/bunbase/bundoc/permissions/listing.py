"""Apply rules to searches: the list rule narrows the search, and the results lose their hidden fields."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.permissions.access import Access
from bunbase.bundoc.query.filters import NOTHING, Path
from bunbase.bundoc.query.implies import conjuncts, contradicts
from bunbase.bundoc.query.predicate import paths_of
from bunbase.bundoc.query.search import Search, Settlement
from bunbase.bundoc.query.text import TextSearch
from bunbase.bundoc.rules.look_ups import LookUpPart, Values, document_of
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.contracts.bundoc.problems import InvalidQuery, QueryTooSlow
from bunbase.pkg import effort
from bunbase.pkg.rules.inputs import Inputs, Postponed

# All rules of one search have at most this many nodes together. Translating a node to SQL takes about 5 µs.
LOOP_NODES: Final = 400
BYTES_FOR_A_NODE: Final = 1000  # This many bytes of JSON are read in the time that the translation of one node takes.


async def narrowed(search: Search, access: Access | None, named: Iterable[tuple[Path, str]] = ()) -> Search:
    """Return the search with the rules for this caller added. If the rules are long or slow, a thread does the work.

    `access`: None for a caller that is not bound by rules. `named`: other paths that affect the answer, with the part
    of the query that names each path.
    Raises: RuleDenied if there is no list rule, InvalidQuery if the query depends on a field that may be hidden.
    """
    if access is None:
        return search
    if access.rules.nodes <= LOOP_NODES:
        try:
            return narrow(search, access, access.about("list", in_loop=True), named)
        except Postponed:
            pass
    return await asyncio.to_thread(narrow, search, access, access.about("list"), named)


def narrow(search: Search, access: Access, about: Inputs, named: Iterable[tuple[Path, str]] = ()) -> Search:
    """Return the search with the rules added.

    `about`: the result of `access.about("list")`. Raises: the problems of `narrowed`.
    """
    effort.note(access.rules.nodes * BYTES_FOR_A_NODE)
    rule = access.rules.rules.get("list")
    if rule is None:
        raise access.denied("list", "", lambda _collection, _id: None)
    hidden = access.undecided_about(about)
    _check_hidden(hidden, search, named)
    ruled = _ruled(search, access, rule, about)
    return msgspec.structs.replace(
        ruled,
        shown=(lambda stored, lookup: _shown(access, stored, lookup)) if hidden else None,
        settle=_settling(access, rule) if ruled.residual is not None and rule.look_ups.parts else None,
    )


def _ruled(search: Search, access: Access, rule: CompiledRule, about: Inputs) -> Search:
    narrowing = rule.narrowing(about)
    bound = rule.bound(about)
    implied = bound.implied
    return msgspec.structs.replace(
        search,
        also=narrowing.condition,
        implied=implied,
        all_implied=bound.exact,
        words=bound.words,
        # NOTHING implies the filter of every index, so the planner must not use it to choose an index.
        nothing=narrowing.nothing or NOTHING in conjuncts(implied) or contradicts(implied, search.where),
        residual=(lambda stored, lookup: _allowed(access, rule, stored, lookup)) if narrowing.residual else None,
    )


def _settling(access: Access, rule: CompiledRule) -> Callable[[Search, Lookup], Search]:
    """Return the function for those look-ups of the rule that have the same value for the whole search."""

    def settle(search: Search, lookup: Lookup) -> Search:
        looked_up: list[tuple[str, bool]] = []

        def evaluated(part: LookUpPart, values: Values) -> bool:
            inputs = access.inputs("list", "", lookup, None)
            inputs.doc = document_of(values)
            is_true = access.allows(part, inputs)
            _check_budget(access)
            looked_up.append((rule.source[part.node.start : part.node.end], is_true))
            return is_true

        settled = rule.settled(search.where, access.about("list"), evaluated)
        if settled is None:
            return msgspec.structs.replace(search, settle=None)
        left_over = tuple(settled.left_over(access.about("list"))) if search.explain else ()
        settlement = Settlement(tuple(looked_up), left_over)
        now = _ruled(search, access, settled, access.about("list"))
        return msgspec.structs.replace(now, settle=None, settlement=settlement)

    return settle


def _allowed(access: Access, rule: CompiledRule, stored: StoredDocument, lookup: Lookup) -> bool:
    allowed = access.allows(rule, access.inputs("list", stored.id, lookup, stored, reads=rule.reads))
    _check_budget(access)
    return allowed


def _shown(access: Access, stored: StoredDocument, lookup: Lookup) -> StoredDocument:
    shown = access.shown("list", lookup, stored)
    _check_budget(access)
    return shown


def _check_budget(access: Access) -> None:
    """Stop a search that has used its budget, because its answer would lack later documents.

    Raises: QueryTooSlow.
    """
    if access.budget.spent:
        raise QueryTooSlow(
            "The list rule has used its ten million steps before the end of the list: simplify the rule, or add an "
            "index on the fields that it compares with ==."
        )


def _check_hidden(hidden: Iterable[str], search: Search, named: Iterable[tuple[Path, str]]) -> None:
    """Refuse a query whose result or order would reveal the value of a hidden field. Raises: InvalidQuery."""
    secret = [tuple(path.split(".")) for path in hidden]
    if not secret:
        return
    used = [
        *((path, "/where") for path in paths_of(search.where)),
        *((field.path, "/sort") for field in search.order.fields),
        *_searched(search.text),
        *named,
    ]
    for path, at in used:
        for one in secret:
            if path[: len(one)] == one or one[: len(path)] == path:
                name = ".".join(path)
                raise InvalidQuery(f"{name} may be hidden from you: remove this field, or use the secret key.", path=at)


def _searched(text: TextSearch | None) -> list[tuple[Path, str]]:
    """Return the paths of a text search.

    Raises: InvalidQuery if the search names no fields, since it would also search hidden fields.
    """
    if text is None:
        return []
    if not text.fields:
        raise InvalidQuery(
            'Some fields may be hidden from you: list the fields to search, {"fields":[…]}.', path="/where"
        )
    return [(tuple(field.split(".")), "/where") for field in text.fields]
