"""The problems of Bundoc, the document store."""

from __future__ import annotations

from bunbase.pkg.errors import Problem


class DocumentNotFound(Problem):
    """The answer is the same if a rule hides the document."""

    status, code, title = 404, "document_not_found", "There is no such document"


class DocumentExists(Problem):
    status, code, title = 409, "document_exists", "A document with this id exists"


class StaleRevision(Problem):
    """`rev`: the revision stored now, 0 if there is no document."""

    status, code, title = 412, "stale_revision", "The document has changed since you read it"


class WriteRefused(Problem):
    """The function of the collection has refused the write. `detail` is the text of the function for the user.

    `reason`: the code of the function for programs; null if the function sent no code. `write`: the position of the
    refused write in a commit.
    """

    status, code, title = 403, "write_refused", "The app does not allow this write"


class BeforeWriteFailed(Problem):
    """Nothing was written. `function`: the name of the function. `cause`: the code of the problem in the function."""

    status, code, title = 502, "before_write_failed", "The function that is asked before writes failed"


class BeforeWriteBusy(Problem):
    """Nothing was written. `function`, `cause`: the same as in BeforeWriteFailed."""

    status, code, title = 503, "before_write_busy", "The function that is asked before writes did not answer in time"


class WriteContended(Problem):
    status, code, title = 409, "write_contended", "Other writes changed the document again and again"


class RuleDenied(Problem):
    status, code, title = 403, "rule_denied", "No rule allows this"


class InvalidSchema(Problem):
    """The schema cannot be saved. `errors`: the same list as in InvalidDocument, with paths in the schema."""

    status, code, title = 422, "invalid_schema", "This schema is not valid"


class InvalidDocument(Problem):
    """`errors`: a list of `{"path": JSON Pointer, "message": str}`, with `keyword` if the schema does not match."""

    status, code, title = 422, "invalid_document", "This document is not valid"


class InvalidUpdate(Problem):
    """`errors`: the same list as in InvalidDocument."""

    status, code, title = 422, "invalid_update", "These update operators cannot be applied"


class ResyncRequired(Problem):
    """`first`: the lowest `since` that is still available; `last`: the newest change."""

    status, code, title = 410, "resync_required", "These changes are no longer available"


class DocumentTooLarge(Problem):
    status, code, title = 413, "document_too_large", "A document can have at most 1 MiB"


class InvalidQuery(Problem):
    """`path`: the place of the error in the query."""

    status, code, title = 400, "invalid_query", "This query is not valid"


class QueryNeedsIndex(Problem):
    """`index`: the index to create, in the form of `PUT /v1/collections/{name}`; null if no index would help.

    `budget`: `{"of": "documents", "bytes", "entries" or "matches", "most": number}`, if the query has used up this
    budget.
    """

    status, code, title = 422, "query_needs_index", "This query would examine too many documents"


class QueryTooSlow(Problem):
    """The query has used up the time that one query may take.

    If the deadline of the request comes first, the code is `deadline_exceeded`.
    """

    status, code, title = 503, "query_too_slow", "This query takes too long"


class CommitTooSlow(Problem):
    """Nothing was written.

    `write`: the position of the write at which the commit had used up the work that one commit may cause.
    """

    status, code, title = 422, "commit_too_slow", "This commit takes too long"


class UniqueViolation(Problem):
    """`index`: the unique index in which another document has the same values."""

    status, code, title = 409, "unique_violation", "Another document has this value"


class DocumentReferenced(Problem):
    """`collection`, `field`: the place of a reference to the document.

    `collection` and `field` are null if the caller may not read all documents, or if the delete would change too many
    documents.
    """

    status, code, title = 409, "document_referenced", "Other documents refer to this document"


class CollectionReferenced(Problem):
    """`collection`: the collection whose schema refers to this collection."""

    status, code, title = 409, "collection_referenced", "Another collection refers to this one"


class CollectionNotFound(Problem):
    status, code, title = 404, "collection_not_found", "There is no such collection"


class NotYet(Problem):
    """`seq`: the state that is stored now, in the form of `X-Bunbase-Seq`."""

    status, code, title = 503, "not_yet", "The state that you ask for is not stored here yet"


class DataUnreadable(Problem):
    """The project's file is damaged or was encrypted under another key; none of its documents can be read."""

    status, code, title = 500, "data_unreadable", "The project's data cannot be read"


class BundocBusy(Problem):
    status, code, title = 503, "data_busy", "Too many writes are waiting for this project"


class DiskFull(Problem):
    status, code, title = 507, "disk_full", "The disk is full; nothing was written"
