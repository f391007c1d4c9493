"""The access of one caller to one collection: which operations the rules allow, and which fields they hide.

The same code runs in the event loop for one document, in a scanner's thread for many documents, and in the writer's
thread for a write. Each of these places passes a `lookup`, which reads documents in the transaction of that place.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import MAX_BYTES, Lookup, StoredDocument
from bunbase.bundoc.rules.look_ups import LookUpPart
from bunbase.bundoc.rules.masks import masked
from bunbase.bundoc.rules.rule import CompiledRule
from bunbase.bundoc.rules.ruleset import Operation, RuleSet
from bunbase.bundoc.rules.seen import SKIPPED_BYTES, WHOLE, FieldsRead, ReadParts, seen_fields
from bunbase.contracts import ruled_access
from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.rule_variables import auth_of
from bunbase.pkg.rules.inputs import BYTES_FOR_A_STEP, MAX_STEPS, Inputs, Postponed, json_value

# All rules in one call together get this many steps, since many short rules add up. A step takes about 0.1 µs.
CALL_STEPS: Final = 2_000_000
SCAN_STEPS: Final = 10_000_000  # A call that reads many documents in a thread gets this many steps.
LOOKUP_STEPS: Final = 50
# In the event loop, rules get 2 ms of steps and 1 ms of JSON parsing. A thread may do more work than this.
LOOP_STEPS: Final = 20_000
LOOP_BYTES: Final = 64 << 10
# one document of any size: if a thread read large documents, the change of threads would show that they exist
LOOP_SKIPPED_BYTES: Final = MAX_BYTES
LOOP_MASKED_BYTES: Final = 8 << 10  # a thread masks larger documents: small objects take 0.7 ms per KiB

VIEW_BYTES: Final = 8  # A hash of the visible fields has this length. The hash reveals nothing about hidden fields.
BARE: Final = "0"  # A document has this `view` for a writer who may not read it.

DENIED: Final = "The rules of this collection do not allow this."
FOR_SERVERS: Final = "This is for servers with the project's secret key, and for members of the project."


class Budget:
    """Limits the steps that rules may take in one call. When no steps are left, rules deny."""

    postpones = False

    def __init__(self, steps: int = CALL_STEPS) -> None:
        self.left = steps

    @property
    def spent(self) -> bool:
        return self.left <= 0

    @property
    def most(self) -> int:
        """The maximum number of steps in one evaluation."""
        return MAX_STEPS

    def spend(self, inputs: Inputs) -> None:
        """Subtract the steps and lookups of the last evaluation."""
        self.left -= 1 + inputs.steps + inputs.lookups * LOOKUP_STEPS

    def read(self, size: int) -> None:
        """Count JSON of this size, in bytes, before it is decoded for a rule."""
        self.left -= size // BYTES_FOR_A_STEP

    def skip(self, size: int) -> None:
        """Count a document of this size before the fields that a rule reads are sought in it."""
        self.left -= size // (BYTES_FOR_A_STEP * SKIPPED_BYTES)

    def mask(self, body: bytes) -> None:
        """Count a document before fields are removed from it."""


class LoopBudget(Budget):
    """The limits of one call in the event loop.

    Work beyond these limits raises Postponed, and a thread repeats the call.
    """

    postpones = True
    left_skipped = LOOP_SKIPPED_BYTES

    def __init__(self) -> None:
        self.left = LOOP_STEPS  # A call of super() would cost 0.3 µs for every read.
        self.left_bytes = LOOP_BYTES

    @property
    def spent(self) -> bool:
        if self.left <= 0:
            raise Postponed
        return False

    @property
    def most(self) -> int:
        return self.left

    def read(self, size: int) -> None:
        self.left_bytes -= size
        if self.left_bytes < 0:
            raise Postponed

    def skip(self, size: int) -> None:
        self.left_skipped -= size
        if self.left_skipped < 0:
            raise Postponed

    def mask(self, body: bytes) -> None:
        if len(body) > LOOP_MASKED_BYTES:
            raise Postponed


class Access:
    """One caller, one collection and its rules.

    In the methods, `lookup` may read every document, even if the caller may not read it. Such a read is safe, because
    the project itself wrote the rule that looks the document up.
    """

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
        """True if the rule allows the operation `op`.

        `doc`: the stored document; `next`: the document after the write.
        """
        rule = self.rules.rules.get(op)
        return rule is not None and self.allows(rule, self.inputs(op, id, lookup, doc, next, rule.reads))

    def allows(self, rule: CompiledRule | LookUpPart, inputs: Inputs) -> bool:
        """True if the rule, or a part of it, is true for the document in `inputs`.

        False if the budget has no steps left.
        """
        if self.budget.spent:
            return False
        allowed = rule.allows(inputs)
        self.budget.spend(inputs)
        return allowed

    def shown(self, op: Operation, lookup: Lookup, stored: StoredDocument) -> StoredDocument:
        """Remove the fields that are hidden from this caller, and return the document."""
        if not self.rules.hidden:
            return stored
        hidden = self.hidden(op, lookup, stored)
        if not hidden:
            return stored
        self.budget.mask(stored.body)
        return without(stored, hidden)

    def hidden(self, op: Operation, lookup: Lookup, stored: StoredDocument) -> list[str]:
        """Return the hidden paths of this document.

        A path is visible only if its rule is false; if the rule fails, the path is hidden.
        """
        if not self.rules.hidden:
            return []
        inputs = self.inputs(op, stored.id, lookup, stored, reads=self.rules.hidden_reads)
        return [path for path, rule in self.rules.hidden.items() if not self._denies(rule, inputs)]

    def undecided(self, op: Operation) -> list[str]:
        """Return the paths that may be hidden from this caller in some document."""
        return self.undecided_about(self.about(op))

    def undecided_about(self, inputs: Inputs) -> list[str]:
        return [path for path, rule in self.rules.hidden.items() if not rule.never(inputs)]

    def about(self, op: Operation, in_loop: bool = False) -> Inputs:
        """Return the inputs of a rule without a document. `in_loop`: true to use the limits of the event loop."""
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
        """Return the RuleDenied to raise. The error has the reason only if the caller may know it."""
        return RuleDenied(DENIED, **self.why(op, id, lookup, doc, next))

    def why(
        self,
        op: Operation,
        id: str,
        lookup: Lookup,
        doc: StoredDocument | None = None,
        next: StoredDocument | None = None,
    ) -> dict[str, Any]:
        """Return the rule and the values of its parts, or {} if the caller may not know them (`explain`)."""
        if not self.caller.explain:
            return {}
        rule = self.rules.rules.get(op)
        if rule is None:
            lacking = f"there is no {op} rule, which denies"
            if self.rules.absent:
                lacking = f"there is no collection {self.collection}, and so no rule"
            return {"rule": op, "trace": [{"expr": op, "error": lacking}]}
        _, steps = rule.trace(self.inputs(op, id, lookup, doc, next))
        return {"rule": op, "trace": msgspec.to_builtins(steps)}

    def inputs(
        self,
        op: Operation,
        id: str,
        lookup: Lookup,
        doc: StoredDocument | None,
        next: StoredDocument | None = None,
        reads: ReadParts = WHOLE,
    ) -> Inputs:
        """Return the inputs of rules that read only `reads` of the documents."""
        request = {"op": op, "collection": self.collection}
        if op != "list":
            request["id"] = id
        return Inputs(
            auth=self.auth,
            doc=None if doc is None else self._fields(doc, reads.doc),
            next=None if next is None else self._new_fields(next, reads.next),
            now=self.now,
            request=request,
            lookup=lookup,
            decode=self._looked_up,
            most=self.budget.most,
            postpones=self.budget.postpones,
        )

    def _fields(self, stored: StoredDocument, part: FieldsRead | None) -> dict[str, Any]:
        """Return at least the fields in `part`, None for all fields. A document is decoded as a whole at most once."""
        if self.read is not None and self.read[0] is stored:
            return self.read[1]
        if part is not None and len(stored.body) > part.whole_bytes:
            return self._some_fields(stored, part)
        self.budget.read(len(stored.body))
        self.read = (stored, seen_fields(stored))
        return self.read[1]

    def _new_fields(self, stored: StoredDocument, part: FieldsRead | None) -> dict[str, Any]:
        if part is not None and len(stored.body) > part.whole_bytes:
            return self._some_fields(stored, part)
        self.budget.read(len(stored.body))
        return seen_fields(stored)

    def _looked_up(self, found: StoredDocument) -> dict[str, Any]:
        self.budget.read(len(found.body))
        return seen_fields(found)

    def _some_fields(self, stored: StoredDocument, part: FieldsRead) -> dict[str, Any]:
        fields = part.system_fields(stored)
        if part.own:
            self.budget.skip(len(stored.body))
            texts = part.texts(stored.body)
            self.budget.read(sum(map(len, texts.values())))
            fields.update({name: json_value(text) for name, text in texts.items()})
        return fields

    def _denies(self, rule: CompiledRule, inputs: Inputs) -> bool:
        if self.budget.spent:
            return False
        denies = rule.denies(inputs)
        self.budget.spend(inputs)
        return denies


def check_access(caller: Caller, act: Act, collection: str) -> bool:
    """Check the scopes or the role of a caller. Return True if rules then decide about this caller.

    Raises: RuleDenied for callers who have no access to documents, Forbidden, InsufficientScope.
    """
    return ruled_access.check_access(caller, act, DENIED, collection)


def without(stored: StoredDocument, hidden: list[str]) -> StoredDocument:
    body = masked(stored.body, hidden)
    view = "" if body == stored.body else blake2b(body, digest_size=VIEW_BYTES).hexdigest()
    return StoredDocument(stored.id, stored.rev, stored.created, stored.updated, body, view)


def bare(stored: StoredDocument) -> StoredDocument:
    """Return only the system fields, as the answer to a writer who may not read the document."""
    return StoredDocument(stored.id, stored.rev, stored.created, stored.updated, b"{}", BARE)
