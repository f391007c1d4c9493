"""Rules before a write, in the transaction that does it. docs/rules.md has the table of what each caller hears.

Permission comes before preconditions, and who may not `get` a document hears what they would hear if it were missing:
neither its revision nor a value in it, and where it can be helped not even that it exists.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NoReturn, assert_never

import msgspec

from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.permissions.access import Access, Budget
from bunbase.bundoc.schema.keywords import pointer
from bunbase.bundoc.schema.validating import Violation, misfit
from bunbase.bundoc.update.parse import Change
from bunbase.bundoc.writes import Check, Create, Delete, Met, Patch, Put, Update, Write, begun, outcome
from bunbase.contracts.bundoc import NO_PRECONDITION, InvalidDocument, Precondition, StaleRevision
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.rules.values import timestamp

INDEX: Final = re.compile("[0-9]+")  # of an element, which hidden paths do not name

moment: Final = lru_cache(64)(timestamp)  # one for all writes of a batch: 5 µs to read


class WriteGuard:
    """Made for one call; all its steps share one budget, for the writer serves others too."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.budget = Budget()

    def outcome(self, collection: str, terms: Terms, write: Write, met: Met, lookup: Lookup) -> StoredDocument | None:
        if self.budget.spent:
            message = "The rules of this commit take too long: send it in parts."
            raise InvalidInput(message, errors=[{"path": "/writes", "message": message}])
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
        """A document that was sent whole is known to its sender; of one that is changed, parts may be hidden."""
        if before is None or not isinstance(write, Patch | Update):
            raise problem
        access = Access(self.caller, collection, terms.rules, moment(now), self.budget)
        _Turn(access, Met(before, now), lookup).refused(problem, write, before)

    def sees(self, collection: str, terms: Terms, document: StoredDocument, now: str, lookup: Lookup) -> bool:
        access = Access(self.caller, collection, terms.rules, moment(now), self.budget)
        return access.may("get", document.id, lookup, document)


class _Turn:
    """One write."""

    def __init__(self, access: Access, met: Met, lookup: Lookup) -> None:
        self.access = access
        self.met = met
        self.before = met.before
        self.lookup = lookup

    def create(self, write: Create | Put) -> StoredDocument | None:
        """Ask with what would be, whether or not something stands in its way."""
        new = begun(write, self.met)
        if not self.access.may("create", write.id, self.lookup, next=new):
            raise self.access.denied("create", write.id, self.lookup, next=new)
        return self._checked(write, self._visible(write))

    def update(self, write: Put | Patch | Update) -> StoredDocument | None:
        if self.before is None:
            return outcome(write, self.met)
        visible = self._visible(write)
        if visible and self._seeks_hidden(write, self.before):
            raise self.access.denied("update", write.id, self.lookup, self.before, self.before)
        after = self._changed(write, self.before)
        others = self._otherwise(write, self.before, visible)
        if not all(self.access.may("update", write.id, self.lookup, self.before, one) for one in (after, *others)):
            if visible or isinstance(write, Put):
                raise self.access.denied("update", write.id, self.lookup, self.before, after)
            return self._as_missing(write)
        return after if write.when == NO_PRECONDITION else self._checked(write, visible)

    def delete(self, write: Delete) -> StoredDocument | None:
        if self.before is None:
            return outcome(write, self.met)
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

    def _otherwise(self, write: Put | Patch | Update, before: StoredDocument, visible: bool) -> list[StoredDocument]:
        """Give what it would be if each `$min` and `$max` of what the caller may not see had taken hold.

        The rule must allow that as well: else a rule that such a field stays as it is would tell how they compare.
        """
        if not isinstance(write, Update) or not any(change.operator in ("$min", "$max") for change in write.changes):
            return []
        hidden = self.access.hidden("get", self.lookup, before) if visible else None
        changes = tuple([_taking_hold(one, hidden) for one in write.changes])
        return [] if changes == write.changes else [self._changed(Update(write.id, changes, write.when, 0), before)]

    def _seeks_hidden(self, write: Put | Patch | Update, before: StoredDocument) -> bool:
        """Return whether elements would be taken out by what the caller may not see of them: those left would tell."""
        if not isinstance(write, Update):
            return False
        sought = [one for one in write.changes if one.operator == "$pull" and bytes(one.value)[:1] == b"{"]
        hidden = self.access.hidden("get", self.lookup, before) if sought else []
        return any(_meet(pointer(one.path), path) for one in sought for path in hidden)

    def _changed(self, write: Put | Patch | Update, before: StoredDocument) -> StoredDocument:
        """Give what would be stored. Why it cannot be may tell of fields that the caller may not see."""
        try:
            after = outcome(msgspec.structs.replace(write, when=NO_PRECONDITION), self.met)
        except Problem as problem:
            self.refused(problem, write, before)
        assert after is not None  # none of these deletes
        return after

    def refused(self, problem: Problem, write: Put | Patch | Update, before: StoredDocument) -> NoReturn:
        """Tell why it cannot be done in words about what the caller may see, or not at all."""
        if not self._visible(write):
            self._as_missing(write)
        hidden = self.access.hidden("get", self.lookup, before)
        if not hidden:
            raise problem
        if isinstance(problem, InvalidDocument) and (told := _apart_from(hidden, problem.extra["errors"])):
            raise misfit(told)
        raise self.access.denied("update", write.id, self.lookup, before, before) from None

    def _checked(self, write: Write, visible: bool) -> StoredDocument | None:
        """Do it if its precondition holds; what is stored instead is for those who may see it."""
        try:
            return outcome(write, self.met)
        except StaleRevision:
            if visible:
                raise
            raise StaleRevision("The document is not as your precondition says.") from None

    def _as_missing(self, write: Write) -> StoredDocument | None:
        """Answer as if nothing were stored; only a check can pass so, and it changes nothing."""
        try:
            outcome(write, Met(None, self.met.now))
        except Problem as problem:
            problem.extra.update(self.access.why("get", write.id, self.lookup, self.before))
            raise
        return self.before


def _only_new(when: Precondition) -> bool:
    return when.absent or when.rev == 0


def _apart_from(hidden: list[str], errors: list[Violation]) -> list[Violation]:
    """Give what is wrong elsewhere; what is said of an object may be about a hidden field in it."""
    return [one for one in errors if not any(_meet(one["path"], path) for path in hidden)]


def _meet(place: str, hidden: str) -> bool:
    """Return whether the place, a JSON Pointer, lies in or around the hidden path, through whatever lists."""
    named, names = _names(place), _names(pointer(tuple(hidden.split("."))))
    return all(one == other for one, other in zip(named, names, strict=False))


def _names(place: str) -> list[str]:
    return [name for name in place.split("/") if name and not INDEX.fullmatch(name)]


def _taking_hold(change: Change, hidden: list[str] | None) -> Change:
    """`hidden`: None where all is."""
    if change.operator not in ("$min", "$max"):
        return change
    if hidden is not None and not any(_meet(pointer(change.path), path) for path in hidden):
        return change
    return msgspec.structs.replace(change, operator="$set")
