"""Apply rules to a write, inside its transaction. docs/rules.md has the table of all answers.

The life of one write by a caller bound by rules:

1. The writer reads the stored document and calls `WriteGuard.outcome` in the same transaction. A check before the
   transaction would be a race: the owner of a document could change between the check and the write.
2. The rule of the operation decides first, with the stored document as `doc` and the result of the write as `next`.
3. Only then the precondition (`If-Match`, `if_rev`) is checked. In the other order, a caller without permission could
   find out the revision of any document by trying.
4. A refusal reveals only what the caller may see. If the caller may not `get` the document, the answer is the same as
   for a missing document (docs/decisions/0017-what-is-denied-looks-missing.md).

An update of a hidden field could reveal its value. `_otherwise`, `_seeks_hidden` and `refused` explain this and prevent
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NoReturn, assert_never

import msgspec

from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import MAX_BYTES, Lookup, StoredDocument
from bunbase.bundoc.permissions.access import Access, Budget
from bunbase.bundoc.query.order import key
from bunbase.bundoc.rules.masks import masked
from bunbase.bundoc.schema.keywords import pointer
from bunbase.bundoc.schema.validating import Violation, misfit
from bunbase.bundoc.update.change import Additions, Bits, Change, ElementTest, Path, Unwanted, is_position
from bunbase.bundoc.writes import Check, Create, Delete, Met, Patch, Put, Update, Write, begun, outcome
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Precondition
from bunbase.contracts.bundoc.problems import DocumentTooLarge, InvalidDocument, StaleRevision
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.rules.values import timestamp

INDEX: Final = re.compile(
    r"[0-9]+|\$\[.*\]"
)  # Matches the index or position of an element in a list. Paths of hidden fields have no indexes.

ROOM_BYTES: Final = 64 << 10
TOO_LARGE: Final = (
    f"With its hidden fields, this document would be too large: a document has at most {MAX_BYTES} bytes, and its "
    f"hidden fields count as a multiple of {ROOM_BYTES >> 10} KiB."
)

NULL: Final = msgspec.Raw(b"null")
# The effect of these operators does not depend on the stored value. `_revealing` treats $rename and $bit.
PLAIN: Final = frozenset({"$set", "$setOnInsert", "$now", "$currentDate", "$rename", "$bit"})

moment: Final = lru_cache(64)(timestamp)  # All writes of a batch have the same time, and parsing a time takes 5 µs.


class WriteGuard:
    """The guard of one call. All steps of a commit share one budget, because other calls cannot write meanwhile."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.budget = Budget()

    def outcome(self, collection: str, terms: Terms, write: Write, met: Met, lookup: Lookup) -> StoredDocument | None:
        """Return the document to store, None for a deletion. Raises: a Problem if the write is refused."""
        if self.budget.spent:
            raise InvalidInput.at("/writes", "The rules of this commit take too long: split it into several commits.")
        access = Access(self.caller, collection, terms.rules, moment(met.now), self.budget)
        turn = _Turn(access, met, lookup)
        match write:
            case Create():
                return turn.create(write)
            case Put() if met.before is None or _only_new(write.when):
                return turn.create(write)
            case Put() | Patch() | Update():
                return turn.update(write)
            case Delete():
                return turn.delete(write)
            case Check():
                return turn.check(write)
            case _:
                assert_never(write)

    def refused(
        self,
        problem: Problem,
        collection: str,
        terms: Terms,
        write: Write,
        before: StoredDocument | None,
        now: str,
        lookup: Lookup,
    ) -> NoReturn:
        """Raise the refusal of a write by a schema or an index. The error reveals only what the caller may see.

        A create or a put may reveal everything, since the caller sent the whole document. After a patch, the document
        may have fields that are hidden from the caller.
        """
        if before is None or not isinstance(write, Patch | Update):
            raise problem
        access = Access(self.caller, collection, terms.rules, moment(now), self.budget)
        _Turn(access, Met(collection, before, now), lookup).refused(problem, write, before)

    def sees(self, collection: str, terms: Terms, document: StoredDocument, now: str, lookup: Lookup) -> bool:
        access = Access(self.caller, collection, terms.rules, moment(now), self.budget)
        return access.may("get", document.id, lookup, document)


class _Turn:
    """One write of a caller to one document."""

    def __init__(self, access: Access, met: Met, lookup: Lookup) -> None:
        self.access = access
        self.met = met
        self.before = met.before
        self.lookup = lookup

    def create(self, write: Create | Put) -> StoredDocument | None:
        """Return the new document. The rule decides about it first, even if a document with this id exists."""
        new = begun(write, self.met)
        if not self.access.may("create", write.id, self.lookup, next=new):
            raise self.access.denied("create", write.id, self.lookup, next=new)
        return self._checked(write, self._visible(write))

    def update(self, write: Put | Patch | Update) -> StoredDocument | None:
        if self.before is None:
            return self._as_missing(write) if self.access.rules.absent else outcome(write, self.met)
        visible = self._visible(write)
        if self._seeks_hidden(write, self.before):
            if not visible:  # The caller may be able to make the document visible afterwards.
                return self._as_missing(write)
            raise self.access.denied("update", write.id, self.lookup, self.before, self.before)
        after = self._changed(write, self.before)
        if visible and not isinstance(write, Put) and len(after.body) > MAX_BYTES - ROOM_BYTES:
            self._check_room(write, self.before, after)
        others = self._otherwise(write, self.before, after, visible)
        if not all(self.access.may("update", write.id, self.lookup, self.before, one) for one in (after, *others)):
            if visible or isinstance(write, Put):
                raise self.access.denied("update", write.id, self.lookup, self.before, after)
            return self._as_missing(write)
        return after if write.when == NO_PRECONDITION else self._checked(write, visible)

    def delete(self, write: Delete) -> StoredDocument | None:
        if self.before is None:
            return self._as_missing(write) if self.access.rules.absent else outcome(write, self.met)
        visible = self._visible(write)
        if not self.access.may("delete", write.id, self.lookup, self.before):
            if visible:
                raise self.access.denied("delete", write.id, self.lookup, self.before)
            return self._as_missing(write)
        return self._checked(write, visible)

    def check(self, write: Check) -> StoredDocument | None:
        if self.before is None or self._visible(write):
            return outcome(write, self.met)
        return self._as_missing(write)

    def _visible(self, write: Write) -> bool:
        return self.before is None or self.access.may("get", write.id, self.lookup, self.before)

    def _otherwise(
        self, write: Put | Patch | Update, before: StoredDocument, after: StoredDocument, visible: bool
    ) -> list[StoredDocument]:
        """Return a document that the rule must allow too; [] if the update changes no hidden field by an operator.

        Otherwise, a caller could find out a hidden value by trying, with the rule `next.salary == doc.salary`. The
        update `{"$max": {"salary": 5000}}` would be allowed only if the hidden salary is at least 5000. So `$min` and
        `$max` are tried as `$set`. An operator that has changed nothing is tried with a change: `$unset` of `list.9`
        would be allowed only if the hidden list has at most 9 elements, and `$inc` by 1e-13 only if the hidden number
        is so large that the sum is rounded to it.
        """
        if not isinstance(write, Update) or all(change.operator in PLAIN for change in write.changes):
            return []
        hidden = self.access.hidden("get", self.lookup, before) if visible else None
        risky = [change.operator not in PLAIN and _depends_on(change, hidden) for change in write.changes]
        if not any(risky):
            return []
        stored, new = (msgspec.json.decode(one.body) for one in (before, after))
        tried = zip(write.changes, risky, strict=True)
        changes = tuple([_taking_hold(one, stored, new) if risk else one for one, risk in tried])
        return [] if changes == write.changes else [self._changed(Update(write.id, changes, write.when, 0), before)]

    def _seeks_hidden(self, write: Put | Patch | Update, before: StoredDocument) -> bool:
        """True if the result of an update would reveal the values of hidden fields (`_revealing`)."""
        if not isinstance(write, Update):
            return False
        sought = [path for change in write.changes for path in _revealing(change)]
        hidden = self.access.hidden("get", self.lookup, before) if sought else []
        return any(_meet(pointer(one), path) for one in sought for path in hidden)

    def _changed(self, write: Put | Patch | Update, before: StoredDocument) -> StoredDocument:
        """Return the document after the write, without a check of the precondition.

        `refused` filters an error, because its text could reveal hidden fields.
        """
        try:
            after = outcome(msgspec.structs.replace(write, when=NO_PRECONDITION), self.met)
        except Problem as problem:
            self.refused(problem, write, before)
        assert after is not None  # Only a Delete returns None.
        return after

    def refused(self, problem: Problem, write: Put | Patch | Update, before: StoredDocument) -> NoReturn:
        """Raise the problem with only the errors in visible fields.

        If all errors are in hidden fields, raise RuleDenied.
        """
        if not self._visible(write):
            self._as_missing(write)
        hidden = self.access.hidden("get", self.lookup, before)
        if not hidden:
            raise problem
        if isinstance(problem, DocumentTooLarge):
            raise DocumentTooLarge(TOO_LARGE) from None
        if isinstance(problem, InvalidDocument) and (told := _apart_from(hidden, problem.extra["errors"])):
            raise misfit(told)
        raise self.access.denied("update", write.id, self.lookup, before, before) from None

    def _check_room(self, write: Patch | Update, before: StoredDocument, after: StoredDocument) -> None:
        """Refuse a large document as if its hidden fields took a multiple of ROOM_BYTES.

        Otherwise, a caller could make a visible field longer until the document is too large, and so measure the hidden
        fields. The check does not apply to a document that the caller may not see at all. The caller may have written
        any part of such a document, so the remaining room always depends on the hidden rest.
        """
        paths = self.access.hidden("get", self.lookup, after)
        hidden = len(after.body) - len(masked(after.body, paths)) if paths else 0
        if paths and len(after.body) - hidden + ROOM_BYTES * max(1, -(-hidden // ROOM_BYTES)) > MAX_BYTES:
            self.refused(DocumentTooLarge(TOO_LARGE), write, before)

    def _checked(self, write: Write, visible: bool) -> StoredDocument | None:
        """Return the outcome if the precondition holds. Only callers who may see the document learn its revision."""
        try:
            return outcome(write, self.met)
        except StaleRevision:
            if visible:
                raise
            raise StaleRevision("The document does not meet your precondition.") from None

    def _as_missing(self, write: Write) -> StoredDocument | None:
        """Answer as if the document did not exist.

        Of all steps, only a Check can succeed here, and a Check changes nothing.
        """
        try:
            outcome(write, Met(self.met.collection, None, self.met.now))
        except Problem as problem:
            problem.extra.update(self.access.why("get", write.id, self.lookup, self.before))
            raise
        return self.before


def _only_new(when: Precondition) -> bool:
    return when.absent or when.rev == 0


def _apart_from(hidden: list[str], errors: list[Violation]) -> list[Violation]:
    """Return the errors that do not concern hidden fields. An error in an object may concern a hidden field in it."""
    return [one for one in errors if not any(_meet(one["path"], path) for path in hidden)]


def _meet(place: str, hidden: str) -> bool:
    """True if `place` (a JSON Pointer) is at, below or above the path `hidden`. Indexes of lists are ignored."""
    named, names = _names(place), _names(pointer(tuple(hidden.split("."))))
    return all(one == other for one, other in zip(named, names, strict=False))


def _names(place: str) -> list[str]:
    return [name for name in place.split("/") if name and not INDEX.fullmatch(name)]


def _revealing(change: Change) -> Iterator[Path]:
    """Yield the paths whose values decide what a caller sees after the change.

    `$pull`, `$pullAll` and array filters choose elements by values inside the elements, and `$sort` orders elements by
    such values. `$rename` copies a value to where the caller may see it. `$bit` answers questions about single bits, if
    the rule compares the result with the stored value.
    """
    match change.operand:
        case ElementTest() | Unwanted() if b"{" in bytes(change.value):
            yield change.path
        case Additions(sort=sort) if sort:
            yield change.path
        case Bits() | tuple():
            yield change.path
    for number, part in enumerate(change.path):
        if is_position(part) and part != "$[]":
            yield change.path[:number]


def _depends_on(change: Change, hidden: list[str] | None) -> bool:
    """True if the effect of a change may depend on a hidden value. `hidden`: the paths, None if all are hidden.

    `$min` and `$max` compare whole objects. All other operators do not look inside the value at their path.
    """
    if hidden is None:
        return True
    at = pointer(change.path)
    met = [path for path in hidden if _meet(at, path)]
    if change.operator in ("$min", "$max"):
        return bool(met)
    depth = len(_names(at))
    return any(path.count(".") < depth for path in met)


def _taking_hold(change: Change, stored: Any, new: Any) -> Change:
    """Replace a change of a hidden field by a change that always has an effect.

    This happens if the change has no effect, or if its effect reveals the value.

    `stored`, `new`: the document before and after the update.
    """
    if change.operator not in ("$min", "$max") and not _is_same(change, stored, new):
        return change
    match change.operand:
        case Additions(values=values):
            more = Additions(values or (NULL,))
            return msgspec.structs.replace(change, operator="$push", operand=more)
        case ElementTest() | Unwanted() | int():
            return msgspec.structs.replace(change, operator="$push", value=NULL, operand=Additions((NULL,)))
        case _:
            value = NULL if change.operator == "$unset" else change.value
            return msgspec.structs.replace(change, operator="$set", value=value, operand=None)


def _is_same(change: Change, stored: Any, new: Any) -> bool:
    """True if the update did not change the value at the path of the change."""
    return _key_at(stored, change.path) == _key_at(new, change.path)


def _key_at(value: Any, path: Path) -> bytes | None:
    """Return the comparison key of the value at a path, or None if there is no value.

    If a part of the path stands for elements of an array, return the comparison key of the array.
    """
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and is_position(part):
            break
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return key(value)
