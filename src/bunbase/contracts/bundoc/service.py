"""The contract of Bundoc, the document store."""

from __future__ import annotations

from typing import Protocol

from bunbase.contracts.bundoc.backups import Backups
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, MisfitQuery, Misfits
from bunbase.contracts.bundoc.documents import (
    Aggregation,
    Changes,
    Document,
    DoneCommit,
    KeyState,
    Page,
    Precondition,
    Query,
    StoredSize,
    Written,
)
from bunbase.contracts.bundoc.live import Live
from bunbase.contracts.caller import Caller
from bunbase.pkg.rpc.wire import waits_for_news


class Bundoc(Backups, Live, Protocol):
    """Every call takes its project from the Caller. A write is answered only when it is on disk (fsync).

    `idempotency_key`: a write with a key of the caller is done once. A later call with the same key and the same
    arguments returns the first result; with other arguments it raises IdempotencyMismatch. A call that raises a Problem
    does not store its key. A call with a key may also raise IdempotencyTooLarge.
    `at_least`: a state of the project, as in `Written.seq`. A read waits two seconds for it, then raises NotYet.
    """

    async def get(
        self, caller: Caller, collection: str, id: str, expand: tuple[str, ...] = (), at_least: str = ""
    ) -> Document:
        """Return a document. `expand`: the same as in Query. Raises: DocumentNotFound, InvalidQuery, RuleDenied."""
        ...

    async def create(self, caller: Caller, collection: str, body: bytes, idempotency_key: str = "") -> Document:
        """Raises: DocumentExists, InvalidDocument, DocumentTooLarge, RuleDenied."""
        ...

    async def put(
        self, caller: Caller, collection: str, id: str, body: bytes, when: Precondition, idempotency_key: str = ""
    ) -> Document:
        """Replace or create a document. Raises: StaleRevision, InvalidDocument, DocumentTooLarge, RuleDenied."""
        ...

    async def patch(
        self, caller: Caller, collection: str, id: str, patch: bytes, when: Precondition, idempotency_key: str = ""
    ) -> Document:
        """Apply a merge patch (RFC 7396), or update operators if the names in `patch` begin with `$`.

        Raises: DocumentNotFound, StaleRevision, InvalidDocument, InvalidUpdate, DocumentTooLarge, RuleDenied.
        """
        ...

    async def delete(
        self, caller: Caller, collection: str, id: str, when: Precondition, idempotency_key: str = ""
    ) -> Written:
        """Delete a document; documents that refer to it are changed or deleted as their schemas define.

        Raises: DocumentNotFound, StaleRevision, DocumentReferenced, RuleDenied.
        """
        ...

    async def commit(self, caller: Caller, body: bytes, idempotency_key: str = "") -> DoneCommit:
        """Apply the writes of `{"writes":[…]}` in order, either all of them or none.

        Raises: InvalidInput, Malformed, and the Problem of the failed write, which has its index as `write`.
        """
        ...

    @waits_for_news
    async def changes(self, caller: Caller, since: int, limit: int, wait_seconds: float) -> Changes:
        """Return changes of documents after `since`, oldest first. If there are no changes, wait up to `wait_seconds`.

        Raises: ResyncRequired, BundocBusy, RuleDenied.
        """
        ...

    async def list(self, caller: Caller, collection: str, limit: int, cursor: str | None, at_least: str = "") -> Page:
        """Return documents in the order of their ids. Raises: InvalidCursor, RuleDenied."""
        ...

    async def query(self, caller: Caller, collection: str, query: Query, at_least: str = "") -> Page:
        """Return the sorted documents that match a filter. `count` adds the total number of matches, `explain` adds the
        query plan. Raises: InvalidQuery, InvalidCursor, QueryNeedsIndex, CollectionNotFound, RuleDenied.
        """
        ...

    async def aggregate(self, caller: Caller, collection: str, aggregation: Aggregation, at_least: str = "") -> Page:
        """Compute values over groups of documents. Raises: the problems of `query`."""
        ...

    async def collections(self, caller: Caller) -> tuple[Collection, ...]:
        """List the project's collections by name. Raises: RuleDenied."""
        ...

    async def collection(self, caller: Caller, name: str) -> Collection:
        """Raises: CollectionNotFound, RuleDenied."""
        ...

    async def put_collection(self, caller: Caller, name: str, spec: CollectionSpec, wait: bool = True) -> Collection:
        """Create or change a collection. If `spec` has indexes, the collection has exactly these indexes afterwards.
        Indexes are built while writes continue.

        With `wait`, the call returns when all indexes are built. Without `wait`, the call returns earlier, and Bundoc
        later removes an index that stored documents violate. Stored documents that do not match a new schema stay as
        they are until their next write. Raises: InvalidInput, InvalidRule, InvalidSchema, RuleDenied, UniqueViolation
        if stored documents violate a unique index.
        """
        ...

    async def misfits(self, caller: Caller, name: str, query: MisfitQuery) -> Misfits:
        """Return stored documents that do not match a schema, ordered by id. Any page may be short or empty.

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
        """Start to re-encrypt the project's file under a new data key; reads and writes continue.

        Raises: BundocBusy, Forbidden.
        """
        ...

    async def test_rules(self, caller: Caller, body: bytes) -> Page:
        """Evaluate rules for invented callers and documents; return decisions and reasons as JSON. Nothing is written.

        Raises: Malformed, InvalidInput, InvalidRule, CollectionNotFound, RuleDenied.
        """
        ...

    async def stored_sizes(self, projects: tuple[str, ...]) -> dict[str, StoredSize]:
        """Return the sizes of projects on disk. Projects that never had a document are left out."""
        ...

    async def stored_bytes(self) -> int:
        """Return the bytes of the documents of all projects on disk."""
        ...

    async def drop_project(self, project: str) -> None:
        """Close and delete the files of a destroyed project. Idempotent."""
        ...
