"""Walks: runs of a function over the documents of one collection, for migrations and for the backfill of triggers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.triggers import CollectionName
from bunbase.pkg.errors import Problem

MIGRATION_NAME: Final = r"^[0-9]{4}_[a-z0-9_]{1,48}$"
MIGRATE: Final = "migrate"  # the hook of a call that transforms documents; no request can name it
MAX_ERRORS: Final = 1000
MAX_PER_SECOND: Final = 10_000


class WalkNotFound(Problem):
    status, code, title = 404, "walk_not_found", "There is no such walk"


class WalkRunning(Problem):
    """Only one walk at a time can run over a collection. A paused walk counts too."""

    status, code, title = 409, "walk_running", "Another walk over this collection has not ended"


class WalkOver(Problem):
    status, code, title = 409, "walk_over", "This walk cannot change into that state"


class MigrationChanged(Problem):
    """A migration runs once. To change documents again, write another migration, or run this migration with `again`."""

    status, code, title = 409, "migration_changed", "This migration has run, and its file has changed since"


class WalkKind(StrEnum):
    MIGRATION = "migration"  # changes documents
    BACKFILL = "backfill"  # hands documents to a trigger


class WalkState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"  # errors have stopped the walk; `error` has the reason
    DONE = "done"
    CANCELLED = "cancelled"


class NewWalk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A walk to begin. `name`, `checksum`: the name of a migration, and the SHA-256 of its file.

    `collection`, `where`: the documents of a backfill; a migration names its collection in its code. `max_errors`: the
    number of failed documents after which the walk stops. `max_per_second`: the maximum number of documents that the
    walk visits in a second. `again`: true to run an ended migration again.
    """

    kind: WalkKind
    function: str
    name: Annotated[str, msgspec.Meta(pattern=MIGRATION_NAME)] | None = None
    checksum: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None
    collection: CollectionName | None = None
    where: dict[str, Any] | None = None
    max_errors: Annotated[int, msgspec.Meta(ge=1, le=MAX_ERRORS)] = 100
    max_per_second: Annotated[int, msgspec.Meta(ge=1, le=MAX_PER_SECOND)] = 1000
    again: bool = False


class WalkChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`running` resumes a walk. A stopped walk tries its failed documents again first."""

    state: Literal["running", "paused", "cancelled"]


class WalkError(msgspec.Struct, frozen=True):
    """Documents that failed with the same error. `ids`: the ids of the first five documents."""

    code: str
    detail: str
    count: int
    ids: tuple[str, ...]


class Walk(msgspec.Struct, frozen=True):
    """A walk. `name` and `checksum`: empty for a backfill. `total`: the number of documents in the collection when the
    walk began.

    `seen`: the number of documents that it has visited; each of them was changed, deleted, handed to a trigger or left
    unchanged, or it failed.
    `error`: the reason why the walk stopped. `errors`: the failed documents by error; lists do not contain them.
    """

    id: str
    kind: WalkKind
    name: str
    function: str
    collection: str
    checksum: str
    state: WalkState
    created_at: datetime
    ended_at: datetime | None
    total: int
    seen: int
    changed: int
    deleted: int
    handed_on: int
    unchanged: int
    failed: int
    error: str | None
    errors: tuple[WalkError, ...] = ()


class Walks(msgspec.Struct, frozen=True):
    items: tuple[Walk, ...]
    next: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """`before`: the document before the change; null if it is large. `change`: `{"patch":…}`, `{"replace":…}` or
    `{"delete":true}`.
    """

    id: str
    before: Any
    change: Any


class Rehearsal(msgspec.Struct, frozen=True):
    """The result of a walk that wrote nothing. `examined`: the number of documents that the walk visited, of `total`.

    `sample`: the first few changes.
    """

    collection: str
    total: int
    examined: int
    changed: int
    deleted: int
    handed_on: int
    unchanged: int
    failed: int
    sample: tuple[Difference, ...]
    errors: tuple[WalkError, ...]


class FunctionWalks(Protocol):
    """A part of the contract of Functions."""

    async def begin_walk(self, caller: Caller, new: NewWalk) -> Walk:
        """Begin a walk. If the migration has begun or ended already, return it unchanged.

        Raises: FunctionNotFound, FunctionError, InvalidInput, InvalidQuery, QueryNeedsIndex, CollectionNotFound,
        MigrationChanged, WalkRunning.
        """
        ...

    async def rehearse_walk(self, caller: Caller, new: NewWalk) -> Rehearsal:
        """Run the function for the first documents, check the results, and write nothing.

        Raises: the problems of `begin_walk`.
        """
        ...

    async def walks(self, caller: Caller, kind: WalkKind | None, limit: int, cursor: str | None) -> Walks:
        """Return walks, newest first. Raises: InvalidCursor."""
        ...

    async def walk(self, caller: Caller, id: str) -> Walk:
        """Raises: WalkNotFound."""
        ...

    async def change_walk(self, caller: Caller, id: str, change: WalkChange) -> Walk:
        """Pause, resume or cancel a walk. Raises: WalkNotFound, WalkOver, WalkRunning."""
        ...
