"""The view of a caller on a query: which documents and fields the rules show. Callers with the same view share a group.

1. All callers with a key or a role that rules do not bind have the same view.
2. If the list rule is exactly an SQL condition for the caller, and no hidden field depends on the document, there is
   one view for each condition with its parameters. All administrators share one view; each owner has its own view.
3. Otherwise (look-ups, loops, arithmetic, `now`), there is one view for each value of `auth`.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from hashlib import blake2b
from typing import Final

import msgspec

from bunbase.bundoc.definition import ABSENT, Terms
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.permissions.access import SCAN_STEPS, Access, Budget, check_access
from bunbase.bundoc.permissions.listing import LOOP_NODES, narrow
from bunbase.bundoc.query.filters import EVERYTHING, Filter
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.rules.ruleset import Operation
from bunbase.contracts.bundoc.problems import CollectionNotFound
from bunbase.contracts.caller import Act, Caller
from bunbase.pkg.rules.inputs import Inputs, Postponed
from bunbase.pkg.rules.syntax import Name, Node, children

NAME_BYTES: Final = 16

encode: Final = msgspec.json.Encoder(order="deterministic").encode


class View(msgspec.Struct, frozen=True):
    """The part of a query's result that the rules show to a caller.

    `name`: a name that two views share if and only if they are equal in project, query, rules and class.
    `search`: the search with the list rule added. `implied`: a filter that every visible document matches.
    `looks_up`: true if rules look documents up. `timed`: true if rules read the time. `kind`: the class of the view,
    for metrics.
    """

    name: str
    access: Access | None
    search: Search
    implied: Filter = EVERYTHING
    looks_up: bool = False
    timed: bool = False
    kind: str = "all"

    @property
    def steady(self) -> bool:
        """True if a document is shown in the same way until the document or the view changes."""
        return not (self.looks_up or self.timed)


async def current_view(asked: ParsedLive, caller: Caller, terms: Terms | None, now: datetime, dev: bool) -> View:
    """Return the view of the caller, like `view_of`. If the rules are long or slow, a thread does the work.

    Threads do not do this for every watch, because the work would then take three times as long.
    """
    if terms is None or _nodes(terms, asked) <= LOOP_NODES:
        try:
            return view_of(asked, caller, terms, now, dev, in_loop=True)
        except Postponed:
            pass
    return await asyncio.to_thread(view_of, asked, caller, terms, now, dev)


def _nodes(terms: Terms, asked: ParsedLive) -> int:
    own = terms.rules.rules.get("get") if asked.id is not None else None
    return terms.rules.nodes + (own.nodes if own is not None else 0)


def view_of(
    asked: ParsedLive, caller: Caller, terms: Terms | None, now: datetime, dev: bool, in_loop: bool = False
) -> View:
    """Return the view of the caller.

    `in_loop`: true to use the limits of the event loop, and to raise Postponed beyond these limits.

    Raises: RuleDenied, InvalidQuery if the query uses hidden fields, CollectionNotFound, InsufficientScope.
    """
    if not check_access(caller, Act.DOCUMENT_READ, asked.collection):
        if terms is None and not dev and asked.id is None:
            raise CollectionNotFound(f"There is no collection {asked.collection}.")
        return View(_named(asked, caller, "all", ()), None, asked.search)
    terms = terms or ABSENT
    access = Access(caller, asked.collection, terms.rules, now, Budget(SCAN_STEPS))
    about = access.about("list" if asked.id is None else "get", in_loop)
    return _ruled(asked, access, about, terms.definition.max_scan)


def _ruled(asked: ParsedLive, access: Access, about: Inputs, max_scan: int | None) -> View:
    rules = access.rules
    op: Operation = "list" if asked.id is None else "get"
    search = narrow(asked.search, access, about) if op == "list" else asked.search
    if max_scan is not None:
        search = msgspec.structs.replace(search, max_scan=min(max_scan, asked.most_scan))
    rule = rules.rules.get(op)
    asks = [*([rule] if rule is not None else []), *rules.hidden.values()]
    said = [
        search.max_scan,
        rule.source if rule else None,
        sorted((path, one.source) for path, one in rules.hidden.items()),
    ]
    looks_up, timed = any(one.lookups() for one in asks), any(_reads(one.tree, "now") for one in asks)
    kind, who = _class(access, op, rule, about, whole=looks_up or timed)
    return View(
        name=_named(asked, access.caller, kind, (encode(said), *who)),
        access=access,
        search=search,
        implied=search.implied,
        looks_up=looks_up,
        timed=timed,
        kind=kind,
    )


def _class(
    access: Access, op: Operation, rule: CompiledRule | None, about: Inputs, whole: bool
) -> tuple[str, tuple[bytes, ...]]:
    """Return the kind of the view, and the values that distinguish it from other views of the same kind."""
    each = ("auth", (encode(access.auth),))
    if whole or any(_reads(one.tree, "request") for one in access.rules.hidden.values()):
        return each
    hidden = []
    for path, one in access.rules.hidden.items():
        if one.never(about):
            continue
        if not one.is_fixed:
            return each  # The document itself decides which of its fields are hidden.
        hidden.append(path)
    if rule is None:
        return "nothing", (encode(hidden),)
    if op == "get" and _reads(rule.tree, "request"):
        return each
    narrowing = rule.narrowing(about)
    if narrowing.residual:
        return each
    condition = narrowing.condition
    sql, params = ("", "") if condition is None else (condition.sql, repr(condition.params))
    return "condition", (sql.encode(), params.encode(), encode(hidden))


def _reads(node: Node, name: str) -> bool:
    """True if the rule reads the variable."""
    if isinstance(node, Name):
        return node.name == name
    return any(_reads(child, name) for child in children(node))


def _named(asked: ParsedLive, caller: Caller, kind: str, parts: tuple[bytes, ...]) -> str:
    hashed = blake2b(digest_size=NAME_BYTES)
    for part in (caller.project.encode(), asked.meaning.encode(), kind.encode(), *parts):
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()
