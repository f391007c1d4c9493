"""What a write makes of a document, on whichever engine: a pure function from before to after."""

from __future__ import annotations

from typing import NoReturn, Protocol, assert_never

import msgspec

from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import Fields, Lookup, StoredDocument, read_fields, stored_form
from bunbase.bundoc.update.apply import updated
from bunbase.bundoc.update.merge_patch import merged_fields
from bunbase.bundoc.update.parse import Change
from bunbase.contracts.bundoc import DocumentExists, DocumentNotFound, InvalidDocument, Precondition, StaleRevision


class Create(msgspec.Struct, frozen=True):
    id: str
    body: bytes


class Put(msgspec.Struct, frozen=True):
    id: str
    body: bytes
    when: Precondition


class Patch(msgspec.Struct, frozen=True):
    id: str
    changes: Fields
    when: Precondition
    size: int


class Update(msgspec.Struct, frozen=True):
    """A patch of update operators."""

    id: str
    changes: tuple[Change, ...]
    when: Precondition
    size: int


class Delete(msgspec.Struct, frozen=True):
    id: str
    when: Precondition


class Check(msgspec.Struct, frozen=True):
    """Changes nothing: what was read is still so."""

    id: str
    when: Precondition


Write = Create | Put | Patch | Update | Delete | Check


class Met(msgspec.Struct, frozen=True):
    """The state that a write meets: the document before it, if there is one, and the time. `last`: no revision of this
    id is above it but that of `before`; the next one is above both.
    """

    before: StoredDocument | None
    now: str
    last: int = 0


class Guard(Protocol):
    """Stands between a caller and a write; asked in the transaction that does it, so that nothing changes meanwhile."""

    def outcome(self, collection: str, terms: Terms, write: Write, met: Met, lookup: Lookup) -> StoredDocument | None:
        """Return `outcome(write, met)` if the caller may do this. Raises: RuleDenied, and what that raises."""
        ...

    def sees(self, collection: str, terms: Terms, document: StoredDocument, now: str, lookup: Lookup) -> bool:
        """Return whether the caller may `get` this document."""
        ...

    def refused(
        self,
        problem: InvalidDocument,
        collection: str,
        terms: Terms,
        write: Write,
        before: StoredDocument | None,
        now: str,
        lookup: Lookup,
    ) -> NoReturn:
        """Tell whoever may do this why the schema refuses it, as far as they may know. Raises: a Problem."""
        ...


class Step(msgspec.Struct, frozen=True):
    """One write of a commit. `guard`: None lets all through."""

    collection: str
    write: Write
    guard: Guard | None = None


class Committed(msgspec.Struct, frozen=True):
    """`seq`: of the last change in the log when the commit was done. `results`: a document for each step, or None.
    `created`: for each step whether it created its document.
    """

    seq: int
    results: tuple[StoredDocument | None, ...]
    created: tuple[bool, ...] = ()


def outcome(write: Write, met: Met) -> StoredDocument | None:
    """Return the document after the write, None if it is gone.

    Raises: DocumentExists, DocumentNotFound, StaleRevision, InvalidUpdate, DocumentTooLarge.
    """
    before = met.before
    match write:
        case Create():
            if before is not None:
                raise DocumentExists(f"There is a document {write.id}; PUT replaces it, PATCH changes it.")
            return begun(write, met)
        case Put():
            _check(write.when, before)
            return _next(before, write.body, met) if before else begun(write, met)
        case Patch():
            found = _found(write.id, write.when, before)
            return _next(found, stored_form(merged_fields(read_fields(found.body), write.changes)), met)
        case Update():
            found = _found(write.id, write.when, before)
            return _next(found, stored_form(updated(read_fields(found.body), write.changes, met.now)), met)
        case Delete():
            _found(write.id, write.when, before)
            return None
        case Check():
            _check(write.when, before)
            return before
        case _:
            assert_never(write)


def size(write: Write) -> int:
    """Give about how many bytes a waiting write holds in memory."""
    match write:
        case Create() | Put():
            return len(write.body)
        case Patch() | Update():
            return write.size
        case Delete() | Check():
            return 0
        case _:
            assert_never(write)


def begun(write: Create | Put, met: Met) -> StoredDocument:
    """Return the new document, whether or not one stands in its way."""
    return StoredDocument(write.id, next_rev(met), met.now, met.now, write.body)


def next_rev(met: Met) -> int:
    return max(met.before.rev if met.before else 0, met.last) + 1


def _next(before: StoredDocument, body: bytes, met: Met) -> StoredDocument:
    return StoredDocument(before.id, next_rev(met), before.created, met.now, body)


def _found(id: str, when: Precondition, before: StoredDocument | None) -> StoredDocument:
    _check(when, before)
    if before is None:
        raise DocumentNotFound(f"There is no document {id} in this collection.")
    return before


def _check(when: Precondition, before: StoredDocument | None) -> None:
    rev = before.rev if before else 0
    if when.absent and before is not None:
        raise StaleRevision("There is a document already; send If-Match with its revision to replace it.", rev=rev)
    if when.rev is not None and when.rev != rev:
        now = f"Revision {rev} is stored now" if rev else "There is no such document now"
        raise StaleRevision(f"{now}; read it again and repeat your change.", rev=rev)
