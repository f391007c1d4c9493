"""The Protocol of an engine, which stores documents for Bundoc. The tests in tests/bundoc hold for every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeVar

import msgspec

from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.query.search import Found, Search
from bunbase.bundoc.writes import CommitStep, Committed, Guard, Write
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec
from bunbase.contracts.bundoc.documents import Changes, KeyState

T = TypeVar("T")

MAX_PAGE_BYTES: Final = 8 << 20


class Chunk(msgspec.Struct, frozen=True):
    """Documents in the order of their ids. `more`: there are documents after the last of them."""

    items: tuple[StoredDocument, ...]
    more: bool


class Engine(Protocol):
    """Stores the documents of all projects. Callers have checked the names.

    Every method may raise DataUnreadable, BundocBusy, DeadlineExceeded, and the errors of BunKMS.
    """

    async def get(self, project: str, collection: str, id: str) -> StoredDocument | None:
        """Return the document, None if there is none. Never waits while the project is open."""
        ...

    async def read(self, project: str, work: Callable[[Lookup], T]) -> T:
        """Call `work` in the event loop with a function that looks up documents, and return its result.

        It is as quick as `get`, so `work` must be quick too.
        """
        ...

    async def snapshot(self, project: str, work: Callable[[Lookup], T]) -> T:
        """Call `work` in a thread with a function that looks up documents, all of one moment, and return its result."""
        ...

    async def write(
        self, project: str, collection: str, write: Write, guard: Guard | None = None, depth: int = 0
    ) -> StoredDocument | None:
        """Store the outcome of the write (`writes.outcome`) in a transaction; return when it survives a power cut.

        A collection is created with its first document. `depth`: of the caller, for the change log.
        Raises: also the errors of `writes.outcome`, DiskFull, and InvalidInput for one collection too many.
        """
        ...

    async def commit(self, project: str, steps: tuple[CommitStep, ...], depth: int = 0) -> Committed:
        """Do all steps in their order, or none of them.

        Raises: as `write`; the Problem of a step carries the number of this step as `write`.
        """
        ...

    async def changes(self, project: str, since: int, limit: int, wait_seconds: float = 0.0) -> Changes:
        """Return the changes after the number `since`, oldest first; if there are none, wait `wait_seconds` for one.

        Each write that changes a document has its own number in the project's log, without gaps, in the order of the
        commits. Raises: ResyncRequired, and BundocBusy when too many calls wait.
        """
        ...

    async def page(self, project: str, collection: str, after: str, limit: int) -> Chunk:
        """Return documents with ids after `after`, in order: at most `limit`, and about MAX_PAGE_BYTES at most."""
        ...

    async def search(self, project: str, collection: str, search: Search) -> Found:
        """Find documents; none in a collection that does not exist. Raises: QueryNeedsIndex."""
        ...

    async def fold(
        self, project: str, collection: str, search: Search, fold: Callable[[Iterator[StoredDocument]], T]
    ) -> T:
        """Call `fold` with all documents that fulfil the filter, in no order, and return its result.

        Raises: QueryNeedsIndex.
        """
        ...

    async def terms(self, project: str, collection: str) -> Terms | None:
        """Return the terms of a collection, None if it does not exist. Never waits while the project is open."""
        ...

    async def collections(self, project: str) -> tuple[Collection, ...]:
        """Return all collections in the order of their names, without their sizes."""
        ...

    async def collection(self, project: str, collection: str) -> Collection | None:
        """Return one collection with its size, None if it does not exist."""
        ...

    async def alter(self, project: str, collection: str, spec: CollectionSpec, wait: bool = True) -> None:
        """Create the collection if it does not exist, and change it to `spec`. Writes go on meanwhile.

        `spec` names all indexes of the collection; others are dropped. `wait`: return when the new indexes are built;
        they are built in any case, and after a crash once the project is used again.
        Raises: UniqueViolation, InvalidDocument when stored documents do not fit an index, which is then dropped.
        """
        ...

    async def drop_collection(self, project: str, collection: str) -> bool:
        """Delete a collection with its documents; return False if it does not exist."""
        ...

    async def data_key(self, project: str) -> KeyState:
        """Return the state of the key that the project's documents are encrypted under."""
        ...

    async def rotate_data_key(self, project: str) -> KeyState:
        """Begin to encrypt everything under a new key. Reads and writes go on. Raises: BundocBusy."""
        ...

    async def drop(self, project: str) -> None:
        """Delete everything that the project has. Idempotent."""
        ...

    async def tend(self) -> None:
        """Do the regular upkeep; call it every few seconds.

        Close idle projects, and ask BunKMS again before a key in memory gets too old. Continue work that a crash cut
        short. Delete expired documents and changes that are no longer kept: of open projects now, of all others within
        a day.
        """
        ...
