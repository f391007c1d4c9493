"""The Protocol of an engine, which stores documents for Bundoc. Every engine must pass the tests in
tests/bundoc/conformance, whose conftest.py lists the engines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

import msgspec

from bunbase.bundoc.changes import Follower
from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.query.rows import Row
from bunbase.bundoc.query.search import Found, Search
from bunbase.bundoc.writes import CommitStep, Committed, Guard, Write
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec
from bunbase.contracts.bundoc.documents import Changes, KeyState, StoredSize
from bunbase.pkg.idempotency import Attempt

T = TypeVar("T")


class Chunk(msgspec.Struct, frozen=True):
    """A part of a collection: documents in the order of their ids. `more`: true if further documents follow."""

    items: tuple[StoredDocument, ...]
    more: bool


class Logged(msgspec.Struct, frozen=True):
    """The changes with numbers above `since`, up to and including `last`. `newest`: the last change of each document,
    by collection and id.
    """

    since: int
    last: int
    newest: dict[tuple[str, str], int]

    def covers(self, since: int) -> bool:
        """True if this object has all changes with higher numbers than `seq`."""
        return self.since <= since <= self.last

    def changed(self, collection: str, id: str, since: int) -> bool:
        """True if the document has a change with a higher number than `seq`."""
        return self.newest.get((collection, id), 0) > since


class Moment(Protocol):
    """One snapshot of a whole project, for use in a thread.

    `epoch`: the history of the project. `seq`: the number of the newest change in the snapshot.
    """

    epoch: str
    seq: int

    def allow(self, seconds: float) -> None:
        """Limit the total time of all following reads. The time begins now."""
        ...

    def terms(self, collection: str) -> Terms | None:
        """Return the terms of the collection at this moment, None if it does not exist."""
        ...

    def lookup(self, collection: str, id: str) -> StoredDocument | None: ...

    def search(self, collection: str, search: Search) -> Found:
        """Find documents, like Engine.search. Raises: QueryNeedsIndex, QueryTooSlow."""
        ...

    def next_end(self, collection: str, since: int) -> int | None:
        """Return the first time, at `since` or later, at which a document of the collection expires; None if no
        document expires.

        Times are in milliseconds since 1970.
        """
        ...

    def logged(self, since: int, most: int) -> Logged:
        """Return the changes after the number `since`; if there are more than `most`, only the newest of them."""
        ...


class Engine(Protocol):
    """Stores the documents of all projects. The caller must check the names of collections and the ids first.

    Every method may raise DataUnreadable, BundocBusy, and the errors of BunKMS. Every read may raise QueryTooSlow, or
    DeadlineExceeded if the deadline of the request comes first.
    """

    async def get(self, project: str, collection: str, id: str) -> StoredDocument | None:
        """Return the document, None if it does not exist. If the project is open, the call does not wait."""
        ...

    async def read(self, project: str, work: Callable[[Lookup], T]) -> T:
        """Call `work` in the event loop with a function that looks up documents, and return its result.

        `work` must be quick, since it blocks the event loop.
        """
        ...

    async def snapshot(self, project: str, work: Callable[[Lookup], T]) -> T:
        """Call `work` in a thread with a function that looks up documents in one snapshot, and return its result."""
        ...

    async def write(
        self, project: str, collection: str, write: Write, guard: Guard | None = None, depth: int = 0
    ) -> StoredDocument | None:
        """Store the outcome of the write (`writes.outcome`) in a transaction.

        The call does not return before the write is safe from a power cut.

        The first document creates its collection. `depth`: the `depth` of the Caller, for the change log.
        Raises: also the errors of `writes.outcome`, DiskFull, and InvalidInput if there are too many collections.
        """
        ...

    async def commit(
        self,
        project: str,
        steps: tuple[CommitStep, ...],
        depth: int = 0,
        attempt: Attempt | None = None,
        with_bodies: bool = True,
    ) -> Committed:
        """Apply the steps in order, either all of them or none.

        `attempt`: if an earlier attempt of the same act has applied its steps, return its result. The transaction also
        stores the result, which the engine keeps for 24 hours. `with_bodies`: true if results must have the bodies of
        documents; otherwise, the bodies are empty.
        Raises: the problems of `write`; the Problem of a step has the index of this step as `write`.
        IdempotencyMismatch, IdempotencyTooLarge.
        """
        ...

    async def reached(self, project: str, epoch: str, seq: int, wait_seconds: float) -> str:
        """Wait until readers see the change `seq` of this epoch. Return the present state as `<epoch>.<seq>`.

        Return earlier if the project has another epoch, or after `wait_seconds`. Raises: BundocBusy if too many wait.
        """
        ...

    async def changes(self, project: str, since: int, limit: int, wait_seconds: float = 0.0) -> Changes:
        """Return the changes after the number `since`, oldest first.

        If there are no changes, wait up to `wait_seconds`.

        The project's log numbers all changes of documents in the order of the commits, without gaps.
        Raises: ResyncRequired, and BundocBusy if too many calls wait.
        """
        ...

    def follow(self, project: str, follower: Follower) -> None:
        """Call `follower` in the event loop after each commit of the project, and after a restore."""
        ...

    def unfollow(self, project: str) -> None: ...

    async def moment(self, project: str, work: Callable[[Moment], T]) -> T:
        """Call `work` in a thread with one snapshot of the whole project, and return its result."""
        ...

    async def page(self, project: str, collection: str, after: str, limit: int) -> Chunk:
        """Return documents after the id `after`, in order: at most `limit` documents and about MAX_PAGE_BYTES."""
        ...

    async def search(self, project: str, collection: str, search: Search) -> Found:
        """Find documents. A collection that does not exist counts as empty. Raises: QueryNeedsIndex."""
        ...

    async def explain(self, project: str, collection: str, search: Search) -> Found:
        """Return the plan of an aggregate (`index`, `ordered`, `grows`), without its items.

        The call examines no document.
        """
        ...

    async def fold(self, project: str, collection: str, search: Search, fold: Callable[[Iterator[Row]], T]) -> T:
        """Call `fold` with the values (`search.reads`) of all documents that match the filter, and return its result.

        The rows come in any order. One row may stand for several documents with equal values.

        Raises: QueryNeedsIndex.
        """
        ...

    async def terms(self, project: str, collection: str) -> Terms | None:
        """Return the terms of a collection, None if it does not exist.

        If the project is open, the call does not wait.
        """
        ...

    async def collections(self, project: str) -> tuple[Collection, ...]:
        """Return all collections in the order of their names, without their sizes."""
        ...

    async def collection(self, project: str, collection: str) -> Collection | None:
        """Return one collection with its size, None if it does not exist."""
        ...

    async def alter(self, project: str, collection: str, spec: CollectionSpec, wait: bool = True) -> None:
        """Create the collection if it does not exist, and change it to `spec`. Writes continue meanwhile.

        `spec` names all indexes of the collection; all others are dropped when the new ones are complete. `wait`:
        return when the new indexes are built. Without `wait`, the indexes are built after the call. After a crash, the
        build continues when the project is used again.
        Raises: UniqueViolation, InvalidDocument if stored documents violate a new index. This index is then dropped,
        and the indexes that it should replace stay.
        """
        ...

    async def drop_collection(self, project: str, collection: str) -> bool:
        """Delete a collection with its documents; return False if it does not exist."""
        ...

    async def data_key(self, project: str) -> KeyState:
        """Return the state of the project's data key, which encrypts its documents."""
        ...

    async def rotate_data_key(self, project: str) -> KeyState:
        """Start to re-encrypt all data under a new data key. Reads and writes continue. Raises: BundocBusy."""
        ...

    async def sizes(self, projects: Iterable[str] | None) -> dict[str, StoredSize]:
        """Return the sizes of these projects on disk, or of all projects. Projects without a file are left out."""
        ...

    async def drop(self, project: str) -> None:
        """Delete all data of the project. Idempotent."""
        ...

    async def tend(self) -> None:
        """Do the regular upkeep; call it every few seconds.

        Close idle projects. Ask BunKMS to confirm each key in memory before the key gets too old. Continue work that a
        crash interrupted. Delete expired documents and old changes: in open projects now, in all other projects within
        a day.
        """
        ...
