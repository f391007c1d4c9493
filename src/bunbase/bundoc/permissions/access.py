"""One caller before the rules of one collection: what they may do, and what they see of it.

Asked in the event loop for one document, in the scanner's thread for many, in the writer's for a write: all the same
code, with a `lookup` that reads where it stands.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.rules.masks import masked
from bunbase.bundoc.rules.rule import CompiledRule, auth_of
from bunbase.bundoc.rules.ruleset import Operation, RuleSet
from bunbase.bundoc.rules.seen import seen_fields
from bunbase.contracts.bundoc import RuleDenied
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.pkg.rules.inputs import BYTES_FOR_A_STEP, MAX_STEPS, Inputs, Postponed

# what all rules asked in one call may take together, a step being about 0.1 µs: many small ones add up
CALL_STEPS: Final = 2_000_000
SCAN_STEPS: Final = 10_000_000  # in a thread of its own, over many documents
LOOKUP_STEPS: Final = 50
# what the event loop does itself before it leaves the rest to a thread: about 2 ms, and 1 ms of reading JSON
LOOP_STEPS: Final = 20_000
LOOP_BYTES: Final = 64 << 10
LOOP_MASKED_BYTES: Final = 8 << 10  # of what is read and written at every level: many small objects take 0.7 ms a KiB

VIEW_BYTES: Final = 8  # of the digest of what is left of a document: it says nothing of what is hidden
BARE: Final = "0"  # the view of a writer who may not read

DENIED: Final = "No rule allows this; a server may do it with the project's secret key."


class Budget:
    """The steps that rules may take in one call; when they are spent, rules deny."""

    postpones = False

    def __init__(self, steps: int = CALL_STEPS) -> None:
        self.left = steps

    @property
    def spent(self) -> bool:
        return self.left <= 0

    @property
    def most(self) -> int:
        """How many steps one evaluation may take."""
        return MAX_STEPS

    def spend(self, inputs: Inputs) -> None:
        """Count what the last evaluation took."""
        self.left -= 1 + inputs.steps + inputs.lookups * LOOKUP_STEPS

    def read(self, body: bytes) -> None:
        """Count a document before it is read for a rule."""
        self.left -= len(body) // BYTES_FOR_A_STEP

    def mask(self, body: bytes) -> None:
        """Hear of a document before fields are taken out of it."""


class LoopBudget(Budget):
    """The event loop's share of one call: beyond it everything is Postponed, and nothing is decided."""

    postpones = True

    def __init__(self) -> None:
        self.left = LOOP_STEPS  # without super(): 0.3 µs for every read
        self.left_bytes = LOOP_BYTES

    @property
    def spent(self) -> bool:
        if self.left <= 0:
            raise Postponed
        return False

    @property
    def most(self) -> int:
        return self.left

    def read(self, body: bytes) -> None:
        self.left_bytes -= len(body)
        if self.left_bytes < 0:
            raise Postponed

    def mask(self, body: bytes) -> None:
        if len(body) > LOOP_MASKED_BYTES:
            raise Postponed


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
        self.read: tuple[StoredDocument, dict[str, Any]] | None = None

    def may(
        self,
        op: Operation,
        id: str,
        lookup: Lookup,
        doc: StoredDocument | None = None,
        next: StoredDocument | None = None,
    ) -> bool:
        rule = self.rules.rules.get(op)
        return rule is not None and self._decided(rule, self.inputs(op, id, lookup, doc, next))

    def shown(self, op: Operation, lookup: Lookup, stored: StoredDocument) -> StoredDocument:
        """Give the document without what this caller may not see."""
        hidden = self.hidden(op, lookup, stored)
        if not hidden:
            return stored
        self.budget.mask(stored.body)
        return without(stored, hidden)

    def hidden(self, op: Operation, lookup: Lookup, stored: StoredDocument) -> list[str]:
        """Name the fields of this document that the caller may not see; a rule that fails hides."""
        if not self.rules.hidden:
            return []
        inputs = self.inputs(op, stored.id, lookup, stored)
        return [path for path, rule in self.rules.hidden.items() if not self._denies(rule, inputs)]

    def undecided(self, op: Operation) -> list[str]:
        """Name the fields that may be hidden from this caller in some document."""
        return self.undecided_about(self.about(op))

    def undecided_about(self, inputs: Inputs) -> list[str]:
        return [path for path, rule in self.rules.hidden.items() if not rule.never(inputs)]

    def about(self, op: Operation, in_loop: bool = False) -> Inputs:
        """Return the inputs of a rule that has not seen a document yet. `in_loop`: it is asked for a moment at most."""
        request = {"op": op, "collection": self.collection}
        most = LOOP_STEPS if in_loop else MAX_STEPS
        return Inputs(auth=self.auth, now=self.now, request=request, most=most, postpones=in_loop)

    def denied(
        self,
        op: Operation,
        id: str,
        lookup: Lookup,
        doc: StoredDocument | None = None,
        next: StoredDocument | None = None,
    ) -> RuleDenied:
        """Give the refusal; it says why only to who may know."""
        return RuleDenied(DENIED, **self.why(op, id, lookup, doc, next))

    def why(
        self,
        op: Operation,
        id: str,
        lookup: Lookup,
        doc: StoredDocument | None = None,
        next: StoredDocument | None = None,
    ) -> dict[str, Any]:
        """Give the rule and the value of each of its parts, for a caller who asked for that and may know."""
        if not self.caller.explain:
            return {}
        rule = self.rules.rules.get(op)
        if rule is None:
            return {"rule": op, "trace": [{"expr": op, "error": f"there is no {op} rule, which denies"}]}
        _, steps = rule.trace(self.inputs(op, id, lookup, doc, next))
        return {"rule": op, "trace": msgspec.to_builtins(steps)}

    def inputs(
        self, op: Operation, id: str, lookup: Lookup, doc: StoredDocument | None, next: StoredDocument | None = None
    ) -> Inputs:
        def fields_at(collection: str, id: str) -> dict[str, Any] | None:
            found = lookup(collection, id)
            if found is None:
                return None
            self.budget.read(found.body)
            return seen_fields(found)

        request = {"op": op, "collection": self.collection}
        if op != "list":
            request["id"] = id
        return Inputs(
            auth=self.auth,
            doc=None if doc is None else self._fields(doc),
            next=None if next is None else self._new_fields(next),
            now=self.now,
            request=request,
            lookup=fields_at,
            most=self.budget.most,
            postpones=self.budget.postpones,
        )

    def _fields(self, stored: StoredDocument) -> dict[str, Any]:
        """Read a document once, however many rules ask about it."""
        if self.read is None or self.read[0] is not stored:
            self.budget.read(stored.body)
            self.read = (stored, seen_fields(stored))
        return self.read[1]

    def _new_fields(self, stored: StoredDocument) -> dict[str, Any]:
        self.budget.read(stored.body)
        return seen_fields(stored)

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


def without(stored: StoredDocument, hidden: list[str]) -> StoredDocument:
    body = masked(stored.body, hidden)
    view = "" if body == stored.body else blake2b(body, digest_size=VIEW_BYTES).hexdigest()
    return StoredDocument(stored.id, stored.rev, stored.created, stored.updated, body, view)


def bare(stored: StoredDocument) -> StoredDocument:
    """Give the system fields alone: what a writer hears of a document that they may not read."""
    return StoredDocument(stored.id, stored.rev, stored.created, stored.updated, b"{}", BARE)


def as_sql(access: Access, about: Inputs) -> tuple[Condition | None, bool, bool]:
    """Give the list rule for this caller: its condition, whether it must be asked again, whether it allows nothing.

    Raises: RuleDenied where there is no list rule.
    """
    filter = access.rules.filter(about)
    if filter is None:
        raise RuleDenied(DENIED, **access.why("list", "", lambda _collection, _id: None))
    return filter.condition, filter.residual, filter.nothing
