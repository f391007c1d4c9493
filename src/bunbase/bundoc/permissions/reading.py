"""Apply rules to one document before its reader or its writer sees it."""

from __future__ import annotations

from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.permissions.access import Access, bare
from bunbase.contracts.bundoc.problems import DocumentNotFound


def missing(collection: str, id: str) -> DocumentNotFound:
    return DocumentNotFound(f"There is no document {id} in {collection}.")


def read_document(access: Access, id: str, lookup: Lookup) -> StoredDocument:
    """Return the document as the caller sees it. Raises: DocumentNotFound if the document is missing or denied."""
    stored = lookup(access.collection, id)
    if stored is None:
        problem = missing(access.collection, id)
        if access.rules.absent:
            problem.extra.update(access.why("get", id, lookup))
        raise problem
    if not access.may("get", id, lookup, stored):
        problem = missing(access.collection, id)
        problem.extra.update(access.why("get", id, lookup, stored))
        raise problem
    return access.shown("get", lookup, stored)


def answered(access: Access, written: StoredDocument, lookup: Lookup) -> StoredDocument:
    """Return the written document as its writer may see it. The system fields are always included."""
    if not access.may("get", written.id, lookup, written):
        return bare(written)
    return access.shown("get", lookup, written)
