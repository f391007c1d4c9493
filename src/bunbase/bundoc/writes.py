"""The effect of a write on a document. For all engines, a pure function makes the new document from the old one."""

from __future__ import annotations

from typing import NoReturn, Protocol, assert_never

import msgspec

from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import Fields, Lookup, StoredDocument, read_fields, stored_form
from bunbase.bundoc.schema.defaults import Defaults, filled
from bunbase.bundoc.update.apply import updated
from bunbase.bundoc.update.change import Change
from bunbase.bundoc.update.costs import CommitWork
from bunbase.bundoc.update.merge_patch import merged_fields
from bunbase.contracts.bundoc.collections import BeforeWrite, WriteOp
from bunbase.contracts.bundoc.documents import Precondition
from bunbase.contracts.bundoc.problems import DocumentExists, DocumentNotFound, InvalidDocument, StaleRevision


class Create(msgspec.Struct, frozen=True):
    """Store a new document, whose id must not be in use. `created` has the same meaning as in Put."""

    id: str
    body: bytes
    created: str = ""


class Put(msgspec.Struct, frozen=True):
    """Store a document, which replaces the document with the same id.

    `created`: the time at which an imported document was created, if it is new here; "" for the time of the write.
    """

    id: str
    body: bytes
    when: Precondition
    created: str = ""


class Patch(msgspec.Struct, frozen=True):
    """A JSON merge patch (RFC 7396). `size`: the size of the request body in bytes."""

    id: str
    changes: Fields
    when: Precondition
    size: int


class Update(msgspec.Struct, frozen=True):
    """A patch that consists of update operators. `size`: the size of the request body in bytes."""

    id: str
    changes: tuple[Change, ...]
    when: Precondition
    size: int


class Delete(msgspec.Struct, frozen=True):
    """Delete a document."""

    id: str
    when: Precondition


class Check(msgspec.Struct, frozen=True):
    """Change nothing. Fail if the document does not meet the precondition."""

    id: str
    when: Precondition


Write = Create | Put | Patch | Update | Delete | Check


class Met(msgspec.Struct, frozen=True):
    """The state before a write.

    `before`: the document, None if there is none. `now`: the time of the write. `last`: the highest revision that a
    deleted document with this id may have had. The next revision is higher than `last` and higher than the revision of
    `before`.
    `work`: the estimated work of the commit so far.
    """

    collection: str
    before: StoredDocument | None
    now: str
    last: int = 0
    work: CommitWork = msgspec.field(default_factory=CommitWork)


class Guard(Protocol):
    """Decides whether a caller bound by rules may do a write.

    The engine calls the guard inside the transaction of the write, so nothing changes between decision and write.
    """

    def outcome(self, collection: str, terms: Terms, write: Write, met: Met, lookup: Lookup) -> StoredDocument | None:
        """Return `outcome(write, met)` if the rules allow it. Raises: RuleDenied, and the errors of `outcome`."""
        ...

    def sees(self, collection: str, terms: Terms, document: StoredDocument, now: str, lookup: Lookup) -> bool:
        """True if the caller may `get` this document."""
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
        """Raise a Problem for a write that the schema refuses.

        The Problem reports only errors in fields that the caller may see. If there are no such errors, the Problem
        tells only that rules deny the write.
        """
        ...


class Verdict(msgspec.Struct, frozen=True):
    """A write that the function of its collection allows. `rev`: the revision that the function saw, 0 for no document.

    `body`: the body to store, None for a deletion. `patched`: true if the function has changed the body.
    """

    hook: BeforeWrite
    op: WriteOp
    rev: int
    body: bytes | None
    patched: bool = False


class CommitStep(msgspec.Struct, frozen=True):
    """One write of a commit.

    `guard`: None for a caller that may do everything. `verdict`: the decision of a function (`questions.py`).
    """

    collection: str
    write: Write
    guard: Guard | None = None
    verdict: Verdict | None = None


class Committed(msgspec.Struct, frozen=True):
    """The result of a commit.

    `seq`: the number of the newest change after the commit. `results`: the document after each step, None after a
    deletion. `created`: true for each step that created its document. `epoch`: the id of the change log; `seq` is a
    number in this log. `replayed`: true if an earlier attempt has done the steps.
    """

    seq: int
    results: tuple[StoredDocument | None, ...]
    created: tuple[bool, ...] = ()
    epoch: str = ""
    replayed: bool = False


def outcome(write: Write, met: Met) -> StoredDocument | None:
    """Return the document after the write, None after a deletion.

    Raises: DocumentExists, DocumentNotFound, StaleRevision, InvalidUpdate, DocumentTooLarge, CommitTooSlow.
    """
    before = met.before
    match write:
        case Create():
            if before is not None:
                raise DocumentExists(
                    f"A document {write.id} exists already; `put` replaces it, and `patch` changes it."
                )
            return begun(write, met)
        case Put():
            _check(write.id, write.when, met)
            return _next(before, write.body, met) if before else begun(write, met)
        case Patch():
            found = _found(write.id, write.when, met)
            return _changed(found, merged_fields(read_fields(found.body), write.changes), met)
        case Update():
            found = _found(write.id, write.when, met)
            return _changed(found, updated(read_fields(found.body), write.changes, met.now, met.work), met)
        case Delete():
            _found(write.id, write.when, met)
            return None
        case Check():
            _check(write.id, write.when, met)
            return before
        case _:
            assert_never(write)


def with_defaults(write: Create | Put, defaults: Defaults | None) -> Create | Put:
    """Return the write of a whole document with the defaults of its missing fields. Raises: DocumentTooLarge."""
    if defaults is None:
        return write
    return msgspec.structs.replace(write, body=filled(write.body, defaults))


def size(write: Write) -> int:
    """Return the approximate number of bytes of memory that a waiting write needs."""
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
    """Return the new document. The caller must check that the id is free."""
    created = min(write.created, met.now) if write.created else met.now
    return StoredDocument(write.id, next_rev(met), created, met.now, write.body)


def next_rev(met: Met) -> int:
    return max(met.before.rev if met.before else 0, met.last) + 1


def _changed(before: StoredDocument, fields: Fields, met: Met) -> StoredDocument:
    after = _next(before, stored_form(fields), met)
    met.work.change(before.body, after.body)
    return after


def _next(before: StoredDocument, body: bytes, met: Met) -> StoredDocument:
    return StoredDocument(before.id, next_rev(met), before.created, met.now, body)


def _found(id: str, when: Precondition, met: Met) -> StoredDocument:
    _check(id, when, met)
    if met.before is None:
        raise DocumentNotFound(f"There is no document {id} in {met.collection}.")
    return met.before


def _check(id: str, when: Precondition, met: Met) -> None:
    rev = met.before.rev if met.before else 0
    if when.absent and met.before is not None:
        raise StaleRevision(
            f"The document {id} exists already in {met.collection}; to replace it, name its revision (the header "
            "If-Match).",
            rev=rev,
        )
    if when.rev is not None and when.rev != rev:
        now = f"Revision {rev} is stored now" if rev else f"There is no document {id} in {met.collection} now"
        raise StaleRevision(f"{now}; read the document again and repeat your change.", rev=rev)
