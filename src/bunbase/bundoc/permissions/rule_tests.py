"""Test rules with cases that a developer sends. The answer has the decision and the reason for each case."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, NoReturn

import msgspec

from bunbase.bundoc.documents import COLLECTION, ID, Lookup, StoredDocument, check_collection
from bunbase.bundoc.permissions.access import Access, Budget
from bunbase.bundoc.rules.ruleset import Operation, RuleSet
from bunbase.bundoc.schema.keywords import pointer
from bunbase.contracts.bundoc.collections import Rules, RuleWarning
from bunbase.contracts.caller import Caller, CallerKind, EndUser
from bunbase.pkg.clock import rfc3339
from bunbase.pkg.errors import InvalidInput, TooLarge
from bunbase.pkg.json_bodies import fault_in, read_json
from bunbase.pkg.moments import EXAMPLE, RFC3339, is_moment, read_moment
from bunbase.pkg.rules.coverage import Coverage
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.trace import Step
from bunbase.pkg.sent_texts import TIME

MAX_BYTES: Final = 4 << 20
MAX_CASES: Final = 1000
MAX_COLLECTIONS: Final = 1000
SEES_DOC: Final = frozenset({"list", "get", "update", "delete"})
SEES_NEXT: Final = frozenset({"create", "update"})

Time = Annotated[str, msgspec.Meta(pattern=rf"^{RFC3339.pattern}\Z")]
Fields = dict[str, Any]
Documents = dict[str, dict[str, Fields]]


class Who(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`auth` as a rule sees it."""

    uid: str
    email: str | None = None
    role: str = ""
    claims: dict[str, Any] = {}
    verified: bool = False
    provider: str = ""
    anonymous: bool = False
    aal: int = 1
    act: str = ""


class SystemFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    _id: Annotated[str, msgspec.Meta(pattern=rf"^{ID.pattern}\Z")]
    _rev: Annotated[int, msgspec.Meta(ge=1)]
    _created: Time
    _updated: Time


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An invented request, with which the rules are tested.

    `documents`: lookups find these documents instead of the stored ones. `now`: a time that replaces the current time.
    """

    collection: Annotated[str, msgspec.Meta(extra_json_schema={"pattern": f"^{COLLECTION.pattern}$"})]
    op: Operation
    auth: Who | None = None
    doc: Fields | None = None
    next: Fields | None = None
    id: str = ""
    documents: Documents | None = None
    now: Annotated[str, msgspec.Meta(extra_json_schema=TIME)] | None = None


class OneCase(Case, frozen=True, forbid_unknown_fields=True):
    """A single case. `rules`: rules to use instead of the saved rules."""

    rules: Rules | None = None


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several cases. `rules`: rules to use instead of the saved rules, by collection."""

    cases: Annotated[tuple[Case, ...], msgspec.Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_CASES})]
    rules: dict[str, Rules] | None = None
    documents: Documents | None = None


class Decision(msgspec.Struct, frozen=True):
    """The result of one case. `hidden`: the fields of `doc` that are hidden from the caller."""

    allowed: bool
    trace: list[Step]
    hidden: list[str]


class OneDecision(Decision, frozen=True):
    """The answer to a single case. `warnings`: list rules that will refuse lists when the collection has grown."""

    warnings: tuple[RuleWarning, ...]


def only_decision(decision: Decision, warnings: tuple[RuleWarning, ...]) -> OneDecision:
    """Return the answer to a request with a single case."""
    return OneDecision(decision.allowed, decision.trace, decision.hidden, warnings)


def end_user(who: Who) -> EndUser:
    """Return an invented end user, who has no session."""
    return EndUser(session="", **msgspec.structs.asdict(who))


def read_batch(sent: bytes) -> tuple[Batch, bool]:
    """Return the cases, and True if the body has a list of cases. Raises: Malformed, TooLarge, InvalidInput."""
    if len(sent) > MAX_BYTES:
        raise TooLarge(f"The cases of one request have at most {MAX_BYTES} bytes; send them in several requests.")
    whole = read_json(sent, Any)
    several = isinstance(whole, dict) and "cases" in whole
    try:
        batch = msgspec.convert(whole, Batch) if several else _alone(msgspec.convert(whole, OneCase))
    except msgspec.ValidationError as error:
        path, message = fault_in(error, Batch if several else OneCase)
        _refuse(path, f"This is not a valid case: {message}")
    _check(batch, several)
    return batch, several


class Trial:
    """Runs a batch of cases against its rules."""

    def __init__(self, batch: Batch, rules: Mapping[str, RuleSet], now: datetime) -> None:
        self.batch = batch
        self.now = now
        self.rules = rules
        self.budget = Budget()
        self.coverage = {
            (collection, name): Coverage(rule.source, rule.tree)
            for collection, ruleset in rules.items()
            for name, rule in (*ruleset.rules.items(), *((f"hidden/{p}", r) for p, r in ruleset.hidden.items()))
        }

    def run(self, stored: Lookup) -> list[Decision]:
        return [self._decided(case, number, stored) for number, case in enumerate(self.batch.cases)]

    def covered(self) -> list[dict[str, Any]]:
        return [
            {
                "collection": collection,
                "rule": name,
                "total": coverage.total,
                "covered": len(coverage.seen),
                "missing": msgspec.to_builtins(list(coverage.missing())),
            }
            for (collection, name), coverage in self.coverage.items()
        ]

    def _decided(self, case: Case, number: int, stored: Lookup) -> Decision:
        if self.budget.spent:
            _refuse(f"/cases/{number}", "These cases take too many steps; send them in several requests.")
        now = self.now if case.now is None else read_moment(case.now)
        rules = self.rules[case.collection]
        access = Access(_caller(case.auth), case.collection, rules, now, self.budget)
        lookup = self._lookup(case, now, stored)
        id = case.id or str((case.doc or case.next or {}).get("_id", "test"))
        doc = None if case.doc is None else _stored(case.doc, id, now)
        next = None if case.next is None else _stored(case.next, id, now)
        inputs = access.inputs(case.op, id, lookup, doc, next)
        rule = rules.rules.get(case.op)
        allowed, steps = False, [Step(case.op, error=f"there is no {case.op} rule, which denies")]
        if rule is not None:
            allowed, steps = rule.trace(inputs)
            self.budget.spend(inputs)
            self._note(case.collection, case.op, inputs)
        hidden = [] if doc is None else access.hidden(case.op, lookup, doc)
        for path in rules.hidden if doc is not None else ():
            self._note(case.collection, f"hidden/{path}", inputs)
        return Decision(allowed, steps, hidden)

    def _note(self, collection: str, rule: str, inputs: Inputs) -> None:
        if not self.budget.spent:
            self.coverage[collection, rule].note(inputs)
            self.budget.spend(inputs)

    def _lookup(self, case: Case, now: datetime, stored: Lookup) -> Lookup:
        if self.batch.documents is None and case.documents is None:
            return stored

        def given(collection: str, id: str) -> StoredDocument | None:
            for documents in (case.documents or {}, self.batch.documents or {}):
                if id in documents.get(collection, {}):
                    return _stored(documents[collection][id], id, now)
            return None

        return given


def _caller(who: Who | None) -> Caller:
    return Caller(CallerKind.PUBLISHABLE, user=None if who is None else end_user(who))


def _stored(fields: Fields, id: str, now: datetime) -> StoredDocument:
    """Return a document with the fields of a case. Missing system fields get the values of a new document.

    Raises: InvalidInput for system fields that are not valid.
    """
    own = {name: value for name, value in fields.items() if not name.startswith("_")}
    created = fields.get("_created", rfc3339(now))
    ours = {"_id": id, "_rev": 1, "_created": created, "_updated": created}
    try:
        system = msgspec.convert(ours | {name: fields[name] for name in fields.keys() - own.keys()}, SystemFields)
    except msgspec.ValidationError as error:
        path, message = fault_in(error)
        _refuse(path, f"This is not a valid document: {message}")
    return StoredDocument(system._id, system._rev, system._created, system._updated, msgspec.json.encode(own))


def _alone(case: OneCase) -> Batch:
    rules = None if case.rules is None else {case.collection: case.rules}
    return Batch((case,), rules)


def _check(batch: Batch, several: bool) -> None:
    if not 1 <= len(batch.cases) <= MAX_CASES:
        _refuse("/cases", f"Send 1 to {MAX_CASES} cases.")
    if len(batch.rules or {}) > MAX_COLLECTIONS:
        _refuse("/rules", f"Send rules for at most {MAX_COLLECTIONS} collections.")
    for collection in batch.rules or {}:
        check_collection(collection, f"/rules{pointer((collection,))}")
    for number, case in enumerate(batch.cases):
        at = f"/cases/{number}" if several else ""
        check_collection(case.collection, f"{at}/collection")
        if case.id and not ID.fullmatch(case.id):
            _refuse(f"{at}/id", "The id of a document has 1 to 64 letters, digits, _ or -.")
        if batch.rules is not None and case.collection not in batch.rules:
            _refuse(f"{at}/collection", f"rules has no rules for the collection {case.collection}.")
        if (case.doc is None) == (case.op in SEES_DOC):
            _refuse(
                f"{at}/doc", f"{case.op} {'needs' if case.op in SEES_DOC else 'takes no'} doc, the stored document."
            )
        if (case.next is None) == (case.op in SEES_NEXT):
            _refuse(
                f"{at}/next", f"{case.op} {'needs' if case.op in SEES_NEXT else 'takes no'} next, the new document."
            )
        if case.now is not None and not is_moment(case.now):
            _refuse(f"{at}/now", f"A time must be RFC 3339 with a zone, such as {EXAMPLE}.")


def _refuse(at: str, message: str) -> NoReturn:
    raise InvalidInput.at(at, message)
