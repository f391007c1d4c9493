"""The oracle computes the result of each live query after each change, from documents, filters, orders and rules.

The oracle shares no code with the server, except the sources of the rules, which stand beside their Python functions.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from bunbase.contracts.bundoc.collections import Rules
from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.contracts.caller import Caller, CallerKind

Doc = dict[str, Any]
State = dict[str, dict[str, Doc]]  # The documents by collection and id.
Lookup = Callable[[str, str], Doc | None]


class Variant(msgspec.Struct, frozen=True):
    """The rules of a collection: their sources, and the same rules as Python functions of (auth, document, lookup)."""

    name: str
    rules: Rules | None
    see: Callable[[Any, Doc, Lookup], bool] | None
    hide: Callable[[Any, Doc, Lookup], bool] | None = None  # The function returns True if the field `secret` is hidden.


def _rules(source: str, secret: str | None = None) -> Rules:
    return Rules(list=source, get=source, hidden={} if secret is None else {"secret": secret})


def _member(auth: Any, doc: Doc, lookup: Lookup) -> Doc | None:
    return None if auth is None else lookup("members", f"{doc['room']}_{auth['uid']}")


OPEN = Variant("open", _rules("true"), lambda auth, doc, lookup: True)
OWNER = Variant(
    "owner",
    _rules("auth != null && doc.owner == auth.uid"),
    lambda auth, doc, lookup: auth is not None and doc["owner"] == auth["uid"],
)
MIXED = Variant(
    "mixed",
    _rules(
        "auth != null && (auth.role == 'admin' || doc.owner == auth.uid || doc.public == true)",
        "auth == null || auth.role != 'admin'",
    ),
    lambda auth, doc, lookup: (
        auth is not None and (auth["role"] == "admin" or doc["owner"] == auth["uid"] or doc["public"])
    ),
    lambda auth, doc, lookup: auth is None or auth["role"] != "admin",
)
BY_DOCUMENT = Variant(
    "by document",
    _rules("true", "auth == null || doc.owner != auth.uid"),
    lambda auth, doc, lookup: True,
    lambda auth, doc, lookup: auth is None or doc["owner"] != auth["uid"],
)
NONE = Variant("none", None, None)
MEMBERS = Variant(
    "members",
    _rules("auth != null && exists('members', doc.room + '_' + auth.uid)"),
    lambda auth, doc, lookup: _member(auth, doc, lookup) is not None,
)
LEVELS = Variant(
    "levels",
    _rules("auth != null && get('members', doc.room + '_' + auth.uid).level >= doc.level"),
    lambda auth, doc, lookup: (found := _member(auth, doc, lookup)) is not None and found["level"] >= doc["level"],
)
SECRET_OF_MEMBERS = Variant(
    "secret of members",
    _rules("auth != null", "!exists('members', doc.room + '_' + auth.uid)"),
    lambda auth, doc, lookup: auth is not None,
    lambda auth, doc, lookup: _member(auth, doc, lookup) is None,
)
LEASED = Variant(
    "leased",
    _rules("auth != null && exists('leases', doc.room + '_' + auth.uid)"),
    lambda auth, doc, lookup: auth is not None and lookup("leases", f"{doc['room']}_{auth['uid']}") is not None,
)
VARIANTS = {
    "notes": (OPEN, OWNER, MIXED, BY_DOCUMENT, NONE),
    "tasks": (MEMBERS, LEVELS, SECRET_OF_MEMBERS, OPEN, LEASED),
    "leases": (OPEN,),
}
EXPIRES = {"leases": "until"}


class History:
    """All acknowledged changes, and the rules, each with the number of the change before them.

    A backup is also a History. A restore begins a new history with the documents and rules of the backup.
    """

    def __init__(self) -> None:
        self.changes: list[tuple[int, str, str, Doc | None]] = []
        self.rules: dict[str, list[tuple[int, Variant]]] = {name: [(0, NONE)] for name in (*VARIANTS, "members")}
        self.inside: set[int] = set()  # These are the numbers of changes with later changes in the same commit.
        self.last = 0
        self._state: State = {}
        self._at = 0
        self._next = 0

    def restored(self) -> History:
        """Return a new history that begins with the present state."""
        new = History()
        new.changes = [(0, name, id, doc) for name, docs in self.state(self.last).items() for id, doc in docs.items()]
        new.rules = {name: [(0, rules[-1][1])] for name, rules in self.rules.items()}
        return new

    def add(self, seq: int, collection: str, id: str, doc: Doc | None) -> None:
        """Add a change. Parallel writes are answered in any order, so they are also added in any order."""
        if seq < self.last:
            self._next = 0  # The present state may lack the number, or have it after a later change.
        self.changes.append((seq, collection, id, doc))
        self.last = max(self.last, seq)

    def doc(self, collection: str, id: str) -> Doc | None:
        return self.state(self.last).get(collection, {}).get(id)

    def state(self, seq: int) -> State:
        """Return the documents after the change `seq`."""
        if seq < self._at or self._next == 0:
            self._state, self._next = {}, 0
            self.changes.sort(key=lambda one: one[0])
        while self._next < len(self.changes) and self.changes[self._next][0] <= seq:
            _, collection, id, doc = self.changes[self._next]
            documents = self._state.setdefault(collection, {})
            documents.pop(id, None)
            if doc is not None:
                documents[id] = doc
            self._next += 1
        self._at = seq
        return self._state

    def variants(self, collection: str, seq: int) -> list[Variant]:
        """Return the rules that may apply at a change: the newest earlier rules, and all rules that were set at it."""
        before = [variant for at, variant in self.rules[collection] if at < seq][-1:]
        return before + [variant for at, variant in self.rules[collection] if at == seq]


class Expected(msgspec.Struct, frozen=True):
    """The result that a caller must have. `denied`: true if the watch must end.

    `tokens`: all tokens that the caller may see in the bodies.
    """

    docs: list[Doc]
    n: int | None
    tokens: frozenset[str]
    denied: bool = False


def auth_of(caller: Caller) -> Any:
    return None if caller.user is None else {"uid": caller.user.uid, "role": caller.user.role}


def lives(doc: Doc, now: float) -> bool:
    """True if the document has not expired. `now`: the time in seconds since 1970."""
    return "until" not in doc or datetime.fromisoformat(doc["until"]).timestamp() > now


def expected(state: State, variant: Variant, query: LiveQuery, caller: Caller, now: float) -> Expected:
    """Return the result that the caller must have at the time `now`, in seconds since 1970."""
    bound = caller.kind is CallerKind.PUBLISHABLE
    living = {name: {id: doc for id, doc in docs.items() if lives(doc, now)} for name, docs in state.items()}
    auth, documents = auth_of(caller), living.get(query.collection, {})

    def lookup(collection: str, id: str) -> Doc | None:
        return living.get(collection, {}).get(id)

    if bound and variant.see is None and query.id is None:
        return Expected([], None, frozenset(), denied=True)
    found = []
    for id, doc in documents.items():
        if bound and (variant.see is None or not variant.see(auth, doc, lookup)):
            continue
        asked = id == query.id if query.id is not None else fulfils(doc, msgspec.json.decode(query.where or b"{}"))
        if asked:
            hidden = bound and variant.hide is not None and variant.hide(auth, doc, lookup)
            found.append({name: value for name, value in doc.items() if not (hidden and name == "secret")})
    found.sort(key=lambda doc: doc["_id"])
    if query.sort and query.sort[-1].startswith("-"):
        found.reverse()
    for field in reversed(query.sort):
        name = field.removeprefix("-")
        found.sort(key=lambda doc: rank(doc.get(name)), reverse=field.startswith("-"))
    n = len(found) if query.count else None
    shown = [selected(doc, query.select) for doc in (found if query.limit is None else found[: query.limit])]
    tokens = {str(value) for doc in shown for name, value in doc.items() if name in ("t", "secret", "_id")}
    return Expected(shown, n, frozenset(tokens))


def fulfils(doc: Doc, where: Any) -> bool:
    for name, wanted in where.items():
        if name == "$or":
            if not any(fulfils(doc, part) for part in wanted):
                return False
            continue
        value = doc.get(name)
        values = [value, *value] if isinstance(value, list) else [value]
        tests = wanted.items() if isinstance(wanted, dict) else [("$eq", wanted)]
        if not all(_test(op, values, other) for op, other in tests):
            return False
    return True


def _test(op: str, values: list[Any], other: Any) -> bool:
    match op:
        case "$eq":
            return other in values
        case "$ne":
            return other not in values
        case "$in":
            return any(value in other for value in values if not isinstance(value, list))
        case "$gte":
            return any(isinstance(value, int) and value >= other for value in values)
        case "$lt":
            return any(isinstance(value, int) and value < other for value in values)
        case _:
            raise AssertionError(op)


def rank(value: Any) -> tuple[int, Any]:
    """Return the place of a value in an order: missing fields first, then numbers, then texts."""
    return (0, 0) if value is None else (1, value) if isinstance(value, int) else (2, value)


def selected(doc: Doc, select: tuple[str, ...] | None) -> Doc:
    return doc if select is None else {name: value for name, value in doc.items() if name in ("_id", *select)}
