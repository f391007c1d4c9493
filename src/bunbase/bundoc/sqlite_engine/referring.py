"""Check a write against its schema, and apply a deletion to the documents that refer to the deleted document.

All of this happens in the transaction of the write, so no reader ever sees an incomplete cascade.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from bunbase.bundoc.documents import StoredDocument, read_all
from bunbase.bundoc.query.sort import MAX_ENTRIES
from bunbase.bundoc.schema.keywords import pointer
from bunbase.bundoc.schema.references import Reference, named, without
from bunbase.bundoc.schema.validating import MAX_ERRORS, Violation, misfit
from bunbase.bundoc.sqlite_engine.index_tables import IndexTable
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.bundoc.sqlite_engine.transaction import Transaction
from bunbase.bundoc.writes import Guard, Met, next_rev
from bunbase.contracts.bundoc.problems import BundocBusy, CollectionReferenced, DocumentReferenced, UniqueViolation

# One deletion may delete or change at most this many documents, which takes the writer about 50 ms.
MAX_CHANGED: Final = 1000
SHOWN: Final = 64  # an error shows at most this many characters of an id, which may be any string

Key = tuple[str, str]  # The collection and the id of a document.


class PendingWrite(msgspec.Struct, frozen=True):
    """A document before and after a write that is not stored yet. `guard`: None for a caller that may do everything."""

    collection: str
    table: Table
    before: StoredDocument | None
    after: StoredDocument
    guard: Guard | None


def check_fits(transaction: Transaction, write: PendingWrite) -> None:
    """Check the document against the schema, and its references. Raises: InvalidDocument."""
    if (schema := write.table.terms.schema) is not None:
        transaction.work.add(schema.effort.microseconds(write.after.body))
        schema.check(write.after.body)
    if write.table.references and (errors := _dangling(transaction, write)):
        raise misfit(errors)


def check_unreferenced(transaction: Transaction, collection: str) -> None:
    """Check that no schema of another collection refers to this collection. Raises: CollectionReferenced."""
    for name, _, reference in _referring(transaction, collection):
        if name != collection:
            raise CollectionReferenced(
                f"{name} refers to {collection} in {reference.field}: change its schema, or drop {name} first.",
                collection=name,
            )


def delete(transaction: Transaction, collection: str, document: StoredDocument, always: bool = False) -> None:
    """Delete the document, and delete or change the documents that refer to it, as their schemas define.

    `always`: if true, `restrict` does not stop the deletion, and a reference to the deleted document stays.
    Raises: DocumentReferenced, BundocBusy.
    """
    deletion = _Deletion(transaction, always)
    deletion.follow(collection, document)
    deletion.apply()


class _Deletion:
    """A deletion in two passes: `follow` collects the changes, and `apply` makes them."""

    def __init__(self, transaction: Transaction, always: bool) -> None:
        self.transaction = transaction
        self.always = always
        self.deleted: dict[Key, StoredDocument] = {}
        self.cleared: dict[Key, dict[Reference, set[str]]] = {}
        self.restricting: dict[Key, Reference] = {}

    def follow(self, collection: str, document: StoredDocument) -> None:
        """Collect the document and all documents that its deletion deletes or changes. Raises: DocumentReferenced."""
        self.deleted[collection, document.id] = document
        waiting = [(collection, document.id)]
        while waiting:
            target, id = waiting.pop()
            for name, table, reference in _referring(self.transaction, target):
                for found in self._holders(table, reference, id):
                    place = (name, found.id)
                    if place not in self.deleted and self._note(place, found, reference, id):
                        waiting.append(place)
                self._check_bound()
        stopping = [place for place in self.restricting if place not in self.deleted]
        if stopping and not self.always:
            (name, _), reference = stopping[0], self.restricting[stopping[0]]
            raise DocumentReferenced(
                f"Documents in {name} refer to this document in {reference.field}: change or delete them first.",
                collection=name,
                field=reference.field,
            )

    def apply(self) -> None:
        """Make the collected changes. Raises: DocumentReferenced; then the caller must roll back the savepoint."""
        cleared = [self._without(place) for place in self.cleared if place not in self.deleted]
        for collection, table, before, after in cleared:
            try:
                table.update(self.transaction.connection, after)
            except UniqueViolation as violation:
                field = next(iter(self.cleared[collection, after.id])).field
                raise DocumentReferenced(
                    f"Documents in {collection} refer to this document in {field}: without the reference, they would "
                    f"have equal values, which the unique index {violation.extra['index']} forbids.",
                    collection=collection,
                    field=field,
                ) from None
            self.transaction.record(collection, table, before, after)
        for (collection, _), document in reversed(self.deleted.items()):
            self.transaction.remove(collection, _known(self.transaction, collection), document)

    def _holders(self, table: Table, reference: Reference, id: str) -> Iterator[StoredDocument]:
        """Yield the documents that hold the id, except expired documents, which are deleted anyway."""
        index = next((one for one in table.indexes if one.definition.name == reference.index_name), None)
        if not isinstance(index, IndexTable) or not index.ready:
            raise BundocBusy("An index that deletions need is not complete yet; try again.", retry_after_seconds=1)
        connection = self.transaction.connection
        for holder in index.holding(connection, id, MAX_CHANGED + 2):
            if (found := table.get(connection, holder)) is not None:
                yield found

    def _note(self, place: Key, found: StoredDocument, reference: Reference, id: str) -> bool:
        """Record the effect on a document that refers to the deleted document. Return True if the referring document is
        deleted too.
        """
        match reference.on_delete:
            case "cascade":
                self.deleted[place] = found
                return True
            case "set_null":
                self.cleared.setdefault(place, {}).setdefault(reference, set()).add(id)
            case "restrict":
                self.restricting.setdefault(place, reference)
        return False

    def _check_bound(self) -> None:
        if len(self.deleted) + len(self.cleared) > MAX_CHANGED + 1:
            raise DocumentReferenced(
                f"This would delete or change more than {MAX_CHANGED} documents: delete some of them first.",
                collection=None,
                field=None,
            )

    def _without(self, place: Key) -> tuple[str, Table, StoredDocument, StoredDocument]:
        collection, id = place
        table = _known(self.transaction, collection)
        # This finds the document even if it has expired meanwhile.
        before = table.stored(self.transaction.connection, id)
        assert before is not None  # This transaction has read the document before.
        body = before.body
        for reference, ids in self.cleared[place].items():
            body = without(body, reference.path, ids)
        now, floor = self.transaction.now, self.transaction.revisions.floor
        rev = next_rev(Met(collection, before, now, floor))
        after = msgspec.structs.replace(before, rev=rev, updated=now, body=body)
        schema = table.terms.schema
        if schema and not self.always and schema.violations(body) and not schema.violations(before.body):
            field = next(iter(self.cleared[place])).field
            raise DocumentReferenced(
                f"Documents in {collection} refer to this document in {field} and need it for their schema.",
                collection=collection,
                field=field,
            )
        return collection, table, before, after


def _dangling(transaction: Transaction, write: PendingWrite) -> list[Violation]:
    """Return an error for each new reference that leads to no document. Earlier references are not checked again."""
    before, itself = write.before, (write.collection, write.after.id)
    document, earlier = read_all(write.after.body), read_all(before.body) if before else {}
    errors: list[Violation] = []
    for reference in write.table.references:
        known = {id for _, id in named(earlier, reference.path)}
        added = [(place, id) for place, id in named(document, reference.path) if id not in known]
        if len(added) > MAX_ENTRIES:
            message = f"A field can refer to at most {MAX_ENTRIES} new documents in one write."
            return [{"path": pointer(reference.path), "message": message, "keyword": "x-ref"}]
        for place, id in added:
            if (reference.collection, id) != itself and not _is_there(transaction, reference, id, write.guard):
                message = f"There is no document {id[:SHOWN]} in {reference.collection}."
                errors.append({"path": pointer(place), "message": message, "keyword": "x-ref"})
            if len(errors) == MAX_ERRORS:
                return errors
    return errors


def _is_there(transaction: Transaction, reference: Reference, id: str, guard: Guard | None) -> bool:
    """True if the reference leads to a document.

    A document that the caller may not `get` counts as missing, because a caller must not find out which documents
    exist.
    """
    found = transaction.lookup(reference.collection, id)
    if found is None or guard is None:
        return found is not None
    terms = _known(transaction, reference.collection).terms
    return guard.sees(reference.collection, terms, found, transaction.now, transaction.lookup)


def _referring(transaction: Transaction, target: str) -> Iterator[tuple[str, Table, Reference]]:
    for name in (*transaction.tables, *(transaction.altered.keys() - transaction.tables.keys())):
        table = transaction.table(name)
        if table is not None and table.references:
            for reference in table.references:
                if reference.collection == target:
                    yield name, table, reference


def _known(transaction: Transaction, collection: str) -> Table:
    table = transaction.table(collection)
    assert table is not None  # The collection has a document, so it has a table.
    return table
