"""Bundoc: the document store.

Documents cross this contract as JSON bytes, system fields in front: they are never parsed on the way out.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from bunbase.contracts.backups import Backups
from bunbase.contracts.caller import Caller
from bunbase.contracts.collections import Collection, CollectionSpec, MisfitQuery, Misfits
from bunbase.pkg.errors import Problem


class DocumentNotFound(Problem):
    """Also the answer when a rule hides the document."""

    status, code, title = 404, "document_not_found", "There is no such document"


class DocumentExists(Problem):
    status, code, title = 409, "document_exists", "A document with this id exists"


class StaleRevision(Problem):
    """`rev`: the revision stored now, 0 if there is no document."""

    status, code, title = 412, "stale_revision", "The document has changed since you read it"


class RuleDenied(Problem):
    status, code, title = 403, "rule_denied", "No rule allows this"


class InvalidSchema(Problem):
    """A schema that cannot be kept. `errors`: as in InvalidDocument, with paths in the schema."""

    status, code, title = 422, "invalid_schema", "This schema is not understood"


class InvalidDocument(Problem):
    """`errors`: a list of `{"path": JSON Pointer, "message": str}`, with `keyword` if the schema does not match."""

    status, code, title = 422, "invalid_document", "This is not a document that can be stored"


class InvalidUpdate(Problem):
    """`errors`: as in InvalidDocument."""

    status, code, title = 422, "invalid_update", "These update operators cannot be applied"


class ResyncRequired(Problem):
    """`first`: the lowest `since` that can be answered; `last`: the newest change."""

    status, code, title = 410, "resync_required", "These changes are not kept any more"


class DocumentTooLarge(Problem):
    status, code, title = 413, "document_too_large", "A document is at most 1 MiB"


class InvalidQuery(Problem):
    """`path`: the place of the error in the query."""

    status, code, title = 400, "invalid_query", "This query is not understood"


class QueryNeedsIndex(Problem):
    """`index`: the index to create, as `PUT /v1/collections/{name}` takes it; null if none helps."""

    status, code, title = 422, "query_needs_index", "This query would examine too many documents"


class UniqueViolation(Problem):
    """`index`: the unique index in which another document has the same values."""

    status, code, title = 409, "unique_violation", "Another document has this value"


class DocumentReferenced(Problem):
    """`collection`, `field`: where documents are that hold the id; null when it is about how many there are, and for
    publishable keys.
    """

    status, code, title = 409, "document_referenced", "Other documents refer to this"


class CollectionReferenced(Problem):
    """`collection`: the collection whose schema refers to this one."""

    status, code, title = 409, "collection_referenced", "Another collection refers to this one"


class CollectionNotFound(Problem):
    status, code, title = 404, "collection_not_found", "There is no such collection"


class DataUnreadable(Problem):
    """The project's file is damaged or was written under another key; nothing in it can be read."""

    status, code, title = 500, "data_unreadable", "The project's data cannot be read"


class BundocBusy(Problem):
    status, code, title = 503, "data_busy", "Too many writes are waiting for this project"


class DiskFull(Problem):
    status, code, title = 507, "disk_full", "The disk is full; nothing was written"


class Document(msgspec.Struct, frozen=True):
    """`body`: the whole JSON object, `_id`, `_rev`, `_created`, `_updated` first.

    `created`: true if this write created the document. `view`: a hash of the visible fields if the caller sees less of
    a revision than others; empty if the caller sees all.
    """

    id: str
    rev: int
    body: bytes
    created: bool = False
    view: str = ""


class Page(msgspec.Struct, frozen=True):
    """`body`: `{"items":[…],"next":…}` as JSON bytes."""

    body: bytes


class CommitResult(msgspec.Struct, frozen=True):
    """`rev`: the revision stored now, 0 if there is no document."""

    id: str
    rev: int


class Commit(msgspec.Struct, frozen=True):
    """`seq`: number of the project's newest change after the commit."""

    seq: int
    results: tuple[CommitResult, ...]


class ChangeEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """`op`: create, update or delete. `rev`: the new revision; for a delete, the last one. `at`: RFC 3339.

    `depth`: how many triggered runs of functions in a row led to it; left out if none did.
    """

    seq: int
    op: str
    collection: str
    id: str
    rev: int
    at: str
    depth: int = 0


class Changes(msgspec.Struct, frozen=True):
    """`next`: the `since` of the next request; it is never null, because more changes can follow."""

    items: tuple[ChangeEntry, ...]
    next: int


class Highlight(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Show the matches of a search: `length` characters of each field, with marks around each match. Between the marks
    and around them text is escaped for HTML; the marks are given as they are.
    """

    fields: tuple[str, ...]
    before: str = "<mark>"
    after: str = "</mark>"
    length: int = 120


class Query(msgspec.Struct, frozen=True):
    """`where`: a filter as JSON. `sort`: paths, with `-` in front for descending order. `select`: fields to return;
    None returns all.

    `score`, `highlight`: add relevance and matches to each document of a `$search`. `expand`: fields that refer,
    dotted, whose documents are to come along.
    """

    where: bytes | None = None
    sort: tuple[str, ...] = ()
    limit: int = 20
    cursor: str | None = None
    select: tuple[str, ...] | None = None
    count: bool = False
    explain: bool = False
    score: bool = False
    highlight: Highlight | None = None
    expand: tuple[str, ...] = ()


class Aggregation(msgspec.Struct, frozen=True):
    """`values`:

    JSON, for each name one of `{"$sum":path}`, `$avg`, `$min`, `$max`, `$countDistinct`, `{"$count":true}`.
    """

    values: bytes
    where: bytes | None = None
    group: tuple[str, ...] = ()


class KeyState(msgspec.Struct, frozen=True):
    """The state of a project's data key. `version`: version of the project's key in BunKMS under which it is wrapped.

    `since`: time of its first use, null for the first data key of a project. `progress`: of a rotation, 0 to 1;
    `failed`: the code of what ended the last rotation before its time; the old key is in use still.
    """

    version: int
    since: str | None
    rotating: bool
    progress: float | None = None
    failed: str | None = None


class Precondition(msgspec.Struct, frozen=True):
    """`rev`: only if this revision is stored (If-Match), 0: nothing; `absent`: only if none is (If-None-Match: *)."""

    rev: int | None = None
    absent: bool = False


NO_PRECONDITION = Precondition()


class Bundoc(Backups, Protocol):
    """Every call takes its project from the Caller. A write is answered only when it is on disk (fsync)."""

    async def get(self, caller: Caller, collection: str, id: str, expand: tuple[str, ...] = ()) -> Document:
        """Return a document; `expand`: as in Query. Raises: DocumentNotFound, InvalidQuery, RuleDenied."""
        ...

    async def create(self, caller: Caller, collection: str, body: bytes) -> Document:
        """Raises: DocumentExists, InvalidDocument, DocumentTooLarge, RuleDenied."""
        ...

    async def put(self, caller: Caller, collection: str, id: str, body: bytes, when: Precondition) -> Document:
        """Replace or create. Raises: StaleRevision, InvalidDocument, DocumentTooLarge, RuleDenied."""
        ...

    async def patch(self, caller: Caller, collection: str, id: str, patch: bytes, when: Precondition) -> Document:
        """Apply a merge patch (RFC 7396), or update operators when its names begin with `$`.

        Raises: DocumentNotFound, StaleRevision, InvalidDocument, InvalidUpdate, DocumentTooLarge, RuleDenied.
        """
        ...

    async def delete(self, caller: Caller, collection: str, id: str, when: Precondition) -> None:
        """Delete a document, and treat documents that refer to it as their schemas demand.

        Raises: DocumentNotFound, StaleRevision, DocumentReferenced, RuleDenied.
        """
        ...

    async def commit(self, caller: Caller, body: bytes) -> Commit:
        """Do `{"writes":[…]}` in order, all or none; `write` in a Problem is the number of the failed one.

        Raises: InvalidInput, Malformed, and the Problems of single writes.
        """
        ...

    async def changes(self, caller: Caller, since: int, limit: int, wait_seconds: float) -> Changes:
        """Return changes of documents after `since`, oldest first; if there are none, wait up to `wait_seconds`.

        Raises: ResyncRequired, BundocBusy, RuleDenied.
        """
        ...

    async def list(self, caller: Caller, collection: str, limit: int, cursor: str | None) -> Page:
        """Return documents by id, oldest id first. Raises: InvalidCursor, RuleDenied."""
        ...

    async def query(self, caller: Caller, collection: str, query: Query) -> Page:
        """Return the documents that match a filter, in order; with `count` also their total number, with `explain` also
        the way in which they were found. Raises: InvalidQuery, InvalidCursor, QueryNeedsIndex, CollectionNotFound,
        RuleDenied.
        """
        ...

    async def aggregate(self, caller: Caller, collection: str, aggregation: Aggregation) -> Page:
        """Compute values over groups of documents. Raises: as `query`."""
        ...

    async def collections(self, caller: Caller) -> tuple[Collection, ...]:
        """List the project's collections by name. Raises: RuleDenied."""
        ...

    async def collection(self, caller: Caller, name: str) -> Collection:
        """Raises: CollectionNotFound, RuleDenied."""
        ...

    async def put_collection(self, caller: Caller, name: str, spec: CollectionSpec, wait: bool = True) -> Collection:
        """Create or change a collection. If `spec` has indexes, the collection has exactly these afterwards, built
        while writes continue. Without `wait` the answer comes before they are built; an index that stored documents
        violate then disappears.

        Stored documents that do not match a new schema stay as they are until their next write. Raises: InvalidInput,
        InvalidRule, InvalidSchema, UniqueViolation when stored documents break a unique index, RuleDenied.
        """
        ...

    async def misfits(self, caller: Caller, name: str, query: MisfitQuery) -> Misfits:
        """Return stored documents that do not match a schema, by id. A page before the last may be short or empty.

        Raises: CollectionNotFound, InvalidSchema, InvalidCursor, RuleDenied.
        """
        ...

    async def drop_collection(self, caller: Caller, name: str) -> None:
        """Raises: CollectionNotFound, CollectionReferenced, RuleDenied."""
        ...

    async def data_key(self, caller: Caller) -> KeyState:
        """Return the state of the project's data key. Raises: Forbidden."""
        ...

    async def rotate_data_key(self, caller: Caller) -> KeyState:
        """Start to encrypt the project's file under a new data key; reads and writes continue.

        Raises: BundocBusy, Forbidden.
        """
        ...

    async def test_rules(self, caller: Caller, body: bytes) -> Page:
        """Evaluate rules for invented callers and documents; return decisions and reasons as JSON. Nothing is written.

        Raises: Malformed, InvalidInput, InvalidRule, CollectionNotFound, RuleDenied.
        """
        ...

    async def drop_project(self, project: str) -> None:
        """Close and delete the files of a destroyed project. Idempotent."""
        ...
