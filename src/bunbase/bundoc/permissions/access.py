"""One caller before the rules of one collection: what they may do, and what they see of it.

Asked in the event loop for one document, in the scanner's thread for many, in the writer's for a write: all the same
code, with a `lookup` that reads where it stands.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import Stored
from bunbase.bundoc.query import sql
from bunbase.bundoc.rules.inputs import Inputs, seen_fields
from bunbase.bundoc.rules.masks import masked
from bunbase.bundoc.rules.rule import CompiledRule, auth_of
from bunbase.bundoc.rules.ruleset import Operation, RuleSet
from bunbase.bundoc.writes import Lookup
from bunbase.contracts.bundoc import RuleDenied
from bunbase.contracts.caller import Caller, CallerKind

# what all rules asked in one call may take together, a step being about 0.1 µs: many small ones add up
CALL_STEPS: Final = 2_000_000
SCAN_STEPS: Final = 10_000_000  # in a thread of its own, over many documents
LOOKUP_STEPS: Final = 50
BYTES_FOR_A_STEP: Final = 16  # of a document that is read for a rule

VIEW_BYTES: Final = 8  # of the digest of what is left of a document: it says nothing of what is hidden
BARE: Final = "0"  # the view of a writer who may not read

DENIED: Final = "No rule allows this; a server may do it with the project's secret key."


class Budget:
    """The steps that rules may take in one call; when they are spent, rules deny."""

    def __init__(self, steps: int = CALL_STEPS) -> None:
        self.left = steps

    @property
    def spent(self) -> bool:
        return self.left <= 0

    def spend(self, inputs: Inputs) -> None:
        """Count what the last evaluation took."""
        self.left -= 1 + inputs.steps + inputs.lookups * LOOKUP_STEPS


class Access:
    """`lookup` reads documents whatever rules they have: a rule is the project's own word."""

    def __init__(
        self, caller: Caller, collection: str, rules: RuleSet, now: datetime, budget: Budget | None = None
    ) -> None:
        self.caller = caller
        self.collection = collection
        self.rules = rules
        self.now = now
        self.auth = auth_of(caller.user)
        self.budget = budget or Budget()
        self.read: tuple[Stored, dict[str, Any]] | None = None

    def may(
        self, op: Operation, id: str, lookup: Lookup, doc: Stored | None = None, next: Stored | None = None
    ) -> bool:
        rule = self.rules.rules.get(op)
        return rule is not None and self._decided(rule, self.inputs(op, id, lookup, doc, next))

    def shown(self, op: Operation, lookup: Lookup, stored: Stored) -> Stored:
        """Give the document without what this caller may not see."""
        hidden = self.hidden(op, lookup, stored)
        return without(stored, hidden) if hidden else stored

    def hidden(self, op: Operation, lookup: Lookup, stored: Stored) -> list[str]:
        """Name the fields of this document that the caller may not see; a rule that fails hides."""
        if not self.rules.hidden:
            return []
        inputs = self.inputs(op, stored.id, lookup, stored)
        return [path for path, rule in self.rules.hidden.items() if not self._denies(rule, inputs)]

    def undecided(self, op: Operation) -> list[str]:
        """Name the fields that may be hidden from this caller in some document."""
        inputs = self.about(op)
        return [path for path, rule in self.rules.hidden.items() if not rule.never(inputs)]

    def about(self, op: Operation) -> Inputs:
        """Give what a rule knows before it has seen a document."""
        return Inputs(auth=self.auth, now=self.now, request={"op": op, "collection": self.collection})

    def denied(
        self, op: Operation, id: str, lookup: Lookup, doc: Stored | None = None, next: Stored | None = None
    ) -> RuleDenied:
        """Give the refusal; it says why only to who may know."""
        return RuleDenied(DENIED, **self.why(op, id, lookup, doc, next))

    def why(
        self, op: Operation, id: str, lookup: Lookup, doc: Stored | None = None, next: Stored | None = None
    ) -> dict[str, Any]:
        """Give the rule and the value of each of its parts, for a caller who asked for that and may know."""
        if not self.caller.explain:
            return {}
        rule = self.rules.rules.get(op)
        if rule is None:
            return {"rule": op, "trace": [{"expr": op, "error": f"there is no {op} rule, which denies"}]}
        _, steps = rule.trace(self.inputs(op, id, lookup, doc, next))
        return {"rule": op, "trace": msgspec.to_builtins(steps)}

    def inputs(self, op: Operation, id: str, lookup: Lookup, doc: Stored | None, next: Stored | None = None) -> Inputs:
        def fields_at(collection: str, id: str) -> dict[str, Any] | None:
            found = lookup(collection, id)
            return None if found is None else seen_fields(found)

        request = {"op": op, "collection": self.collection}
        if op != "list":
            request["id"] = id
        return Inputs(
            auth=self.auth,
            doc=None if doc is None else self._fields(doc),
            next=None if next is None else seen_fields(next),
            now=self.now,
            request=request,
            lookup=fields_at,
        )

    def _fields(self, stored: Stored) -> dict[str, Any]:
        """Read a document once, however many rules ask about it."""
        if self.read is None or self.read[0] is not stored:
            self.read = (stored, seen_fields(stored))
            self.budget.left -= len(stored.body) // BYTES_FOR_A_STEP
        return self.read[1]

    def _decided(self, rule: CompiledRule, inputs: Inputs) -> bool:
        if self.budget.spent:
            return False
        allowed = rule.allows(inputs)
        self.budget.spend(inputs)
        return allowed

    def _denies(self, rule: CompiledRule, inputs: Inputs) -> bool:
        if self.budget.spent:
            return False
        denies = rule.denies(inputs)
        self.budget.spend(inputs)
        return denies


def bound_by_rules(caller: Caller) -> bool:
    """Say whether rules decide for this caller; the secret key may do everything. Raises: RuleDenied."""
    match caller.kind:
        case CallerKind.SECRET:
            return False
        case CallerKind.PUBLISHABLE:
            return True
        case CallerKind.DEVELOPER:
            raise RuleDenied("Use the project's secret key: documents are not open to developers' tokens.")
        case _:
            raise RuleDenied(DENIED)


def without(stored: Stored, hidden: list[str]) -> Stored:
    body = masked(stored.body, hidden)
    view = "" if body == stored.body else blake2b(body, digest_size=VIEW_BYTES).hexdigest()
    return Stored(stored.id, stored.rev, stored.created, stored.updated, body, view)


def bare(stored: Stored) -> Stored:
    """Give the system fields alone: what a writer hears of a document that they may not read."""
    return Stored(stored.id, stored.rev, stored.created, stored.updated, b"{}", BARE)


def as_sql(access: Access) -> tuple[sql.Condition | None, bool, bool]:
    """Give the list rule for this caller: its condition, whether it must be asked again, whether it allows nothing.

    Raises: RuleDenied where there is no list rule.
    """
    filter = access.rules.filter(access.about("list"))
    if filter is None:
        raise RuleDenied(DENIED, **access.why("list", "", lambda _collection, _id: None))
    condition = filter.condition
    also = None if condition is None else sql.Condition(condition.sql, condition.parameters)
    return also, filter.residual, filter.nothing
