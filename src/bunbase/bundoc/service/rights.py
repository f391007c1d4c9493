"""The rights of a caller to the documents of a collection, for reads and for writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from bunbase.bundoc.definition import ABSENT, Terms
from bunbase.bundoc.documents import Lookup, StoredDocument, with_system_fields
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.permissions.access import CALL_STEPS, SCAN_STEPS, Access, Budget, LoopBudget, check_access
from bunbase.bundoc.query.budgets import Budgets
from bunbase.bundoc.reading.expanding import Visible, as_stored
from bunbase.contracts.bundoc.problems import CollectionNotFound, RuleDenied
from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.scopes import SOME_COLLECTION
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.rules.inputs import Postponed

T = TypeVar("T")

HINT = "To see the reason, send the header X-Bunbase-Explain: true (in dev mode only)."


class CallerRights:
    """Decides what callers may do with documents, for all parts of the service.

    `dev`: true if the first document creates its collection; otherwise, a collection must be created explicitly.
    `bound`: the budgets of queries of callers bound by rules. `unbound`: the budgets of all other queries.
    """

    def __init__(self, engine: Engine, clock: Clock, dev: bool, bound: Budgets, unbound: Budgets) -> None:
        self.engine = engine
        self.clock = clock
        self.dev = dev
        self.bound = bound
        self.unbound = unbound

    async def decided(self, caller: Caller, collection: str, work: Callable[[Access, Lookup], T]) -> T:
        """Run `work`, which evaluates rules for one document, in the event loop.

        If `work` is slow, repeat it in a thread.

        `work` only reads, so it may run twice. If the caller wants an explanation, `work` always runs in a thread,
        since a trace evaluates every part of a rule.
        """
        terms = await self.engine.terms(caller.project, collection) or ABSENT
        if not terms.quick:
            await asyncio.to_thread(terms.prepare)
        now = self.clock.now()
        if not caller.explain:
            quick = Access(caller, collection, terms.rules, now, LoopBudget())
            try:
                return await self.engine.read(caller.project, lambda lookup: work(quick, lookup))
            except Postponed:
                pass
        access = Access(caller, collection, terms.rules, now, Budget(CALL_STEPS))
        return await self.engine.snapshot(caller.project, lambda lookup: work(access, lookup))

    async def limits(self, caller: Caller, collection: str) -> tuple[Access | None, Budgets]:
        """Return the access of a caller bound by rules, None for any other caller, and the budgets of a query."""
        if not check_access(caller, Act.DOCUMENT_READ, collection):
            return None, self.unbound
        terms = await self.terms(caller, collection)
        access = Access(caller, collection, terms.rules, self.clock.now(), Budget(SCAN_STEPS))
        return access, self.bound.of_collection(terms.definition.max_scan, self.unbound.documents)

    async def terms(self, caller: Caller, collection: str) -> Terms:
        """Return the terms of a collection, with its rules compiled."""
        terms = await self.engine.terms(caller.project, collection) or ABSENT
        if not terms.quick:
            await asyncio.to_thread(terms.prepare)
        return terms

    def visible_to(self, caller: Caller) -> Visible:
        """Return a function that applies the rules of its collection to an expanded document, for this caller."""
        if not check_access(caller, Act.DOCUMENT_READ, SOME_COLLECTION):
            return as_stored if caller.limits is None else _visible_in_scope(caller)
        now, budget = self.clock.now(), Budget(SCAN_STEPS)

        def visible(collection: str, terms: Terms, stored: StoredDocument, lookup: Lookup) -> bytes | None:
            access = Access(caller, collection, terms.rules, now, budget)
            scoped = caller.has_scope(Act.DOCUMENT_READ, collection)
            allowed = scoped and access.may("get", stored.id, lookup, stored)
            return with_system_fields(access.shown("get", lookup, stored)) if allowed else None

        return visible

    def hinted(self, problem: Problem, caller: Caller) -> Problem:
        """Return the problem. In dev mode, a denial by rules then explains how to see its reason."""
        unexplained = caller.kind is CallerKind.PUBLISHABLE and not caller.explain
        if self.dev and unexplained and isinstance(problem, RuleDenied):
            return RuleDenied(f"{problem.detail} {HINT}", **problem.extra)
        return problem

    async def check_created(self, caller: Caller, collection: str) -> None:
        """Check that the collection exists. Raises: CollectionNotFound.

        Callers bound by rules need no check, since rules deny them everything in a missing collection.
        """
        if (
            not self.dev
            and caller.kind in (CallerKind.SECRET, CallerKind.DEVELOPER)
            and await self.engine.terms(caller.project, collection) is None
        ):
            raise no_collection(collection)


def _visible_in_scope(caller: Caller) -> Visible:
    """Return a function that hides expanded documents of collections that the scopes of the key do not include."""

    def visible(collection: str, terms: Terms, stored: StoredDocument, lookup: Lookup) -> bytes | None:
        return as_stored(collection, terms, stored, lookup) if caller.has_scope(Act.DOCUMENT_READ, collection) else None

    return visible


def no_collection(name: str) -> CollectionNotFound:
    """Return the problem to raise if a collection does not exist."""
    return CollectionNotFound(f"There is no collection {name}: create it with PUT /v1/collections/{name}.")
