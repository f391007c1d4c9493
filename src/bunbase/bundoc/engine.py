"""What Bundoc asks of whatever keeps its documents. One conformance suite (tests/bundoc) holds for all engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeVar

import msgspec

from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import Lookup, StoredDocument
from bunbase.bundoc.query.search import Found, Search
from bunbase.bundoc.writes import Committed, Guard, Step, Write
from bunbase.contracts.bundoc import Changes, KeyState
from bunbase.contracts.collections import Collection, CollectionSpec

T = TypeVar("T")

MAX_PAGE_BYTES: Final = 8 << 20


class Chunk(msgspec.Struct, frozen=True):
    """`more`: there are documents behind the last of these."""

    items: tuple[StoredDocument, ...]
    more: bool


class Engine(Protocol):
    """Project first, names already checked. Every call may raise DataUnreadable, BundocBusy, DeadlineExceeded, and
    what BunKMS says of the project's key.
    """

    async def get(self, project: str, collection: str, id: str) -> StoredDocument | None: ...

    async def read(self, project: str, work: Callable[[Lookup], T]) -> T:
        """Give what `work` makes of the documents it looks up; as quick as `get`, so `work` must be."""
        ...

    async def snapshot(self, project: str, work: Callable[[Lookup], T]) -> T:
        """Give what `work` makes of the documents it looks up, in a thread; all of them are of one moment."""
        ...

    async def write(
        self, project: str, collection: str, write: Write, guard: Guard | None = None, depth: int = 0
    ) -> StoredDocument | None:
        """Do what `writes.outcome` says, alone and whole; answer only when it survives a power cut.

        A collection begins with its first document. `depth`: for the change log, as of Caller.
        Raises: also what `writes.outcome` raises, DiskFull, InvalidInput when there would be too many collections.
        """
        ...

    async def commit(self, project: str, steps: tuple[Step, ...], depth: int = 0) -> Committed:
        """Do all steps in their order, or none of them.

        Raises: as `write`; a Problem of one step carries its number as `write`.
        """
        ...

    async def changes(self, project: str, since: int, limit: int, wait_seconds: float = 0.0) -> Changes:
        """Give what was changed after `since`, oldest first; when nothing was, wait so long for something.

        Each write that changes a document has a number of its own in the project's log, without gaps, in the order in
        which they came to be. Raises: ResyncRequired, and BundocBusy when too many wait.
        """
        ...

    async def page(self, project: str, collection: str, after: str, limit: int) -> Chunk:
        """Give documents with ids after `after`, by id: at most `limit`, and not many more than MAX_PAGE_BYTES."""
        ...

    async def search(self, project: str, collection: str, search: Search) -> Found:
        """Find documents; nothing of a collection that does not exist. Raises: QueryNeedsIndex."""
        ...

    async def fold(
        self, project: str, collection: str, search: Search, fold: Callable[[Iterator[StoredDocument]], T]
    ) -> T:
        """Give what `fold` makes of all documents that fulfil the filter, in no order. Raises: QueryNeedsIndex."""
        ...

    async def terms(self, project: str, collection: str) -> Terms | None:
        """Give what holds for a collection, None if there is none; never waits while the project is open."""
        ...

    async def collections(self, project: str) -> tuple[Collection, ...]:
        """Give all collections by name, without their sizes."""
        ...

    async def collection(self, project: str, collection: str) -> Collection | None:
        """Give one collection and its size."""
        ...

    async def alter(self, project: str, collection: str, spec: CollectionSpec, wait: bool = True) -> None:
        """Create the collection if need be, and make it what `spec` says, all indexes named; writes go on meanwhile.
        Indexes are built also when nobody waits, and after a crash when the project is next used.

        Raises: UniqueViolation, InvalidDocument when stored documents do not fit an index; that index is then gone.
        """
        ...

    async def drop_collection(self, project: str, collection: str) -> bool:
        """Say whether there was one."""
        ...

    async def data_key(self, project: str) -> KeyState:
        """Say how it stands with the key that the project's documents are encrypted under."""
        ...

    async def rotate_data_key(self, project: str) -> KeyState:
        """Begin to encrypt everything under a new key; reads and writes go on. Raises: BundocBusy."""
        ...

    async def drop(self, project: str) -> None:
        """Forget the project and delete what it had; again is harmless."""
        ...

    async def tend(self) -> None:
        """Close what is idle, ask BunKMS again before a key in memory gets too old, complete what a crash cut
        short, and delete documents whose time has passed and changes that are kept no longer: of open projects at once,
        of all others within a day.
        """
        ...
