"""SQL of walks. A walk calls a function for all documents of a collection, for example for a migration.

A process that works on a walk holds a lease on it. The column `attempt` protects the walk from processes that have lost
their lease: each statement names the attempt that the process knows, and changes nothing if the attempt has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.contracts.functions.walks import Walk, WalkError, WalkKind, WalkRunning, WalkState
from bunbase.pkg.db.connecting import NotUnique
from bunbase.pkg.db.database import Database

SHOWN: Final = """
SELECT seq, id, kind, name, function, collection, checksum, state, created_at, ended_at, total, seen, changed, deleted,
    handed_on, unchanged, failed, error FROM walks"""
ADD: Final = """
INSERT INTO walks (id, project, kind, name, function, collection, filter, checksum, state, created_at, max_errors,
    max_per_second, total, look_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'running', $9, $10, $11, $12, $9)"""
FORGET_MIGRATION: Final = """
DELETE FROM walks WHERE project = $1 AND kind = 'migration' AND name = $2 AND state = ANY ($3)"""
LIST: Final = f"""{SHOWN}
WHERE project = $1 AND seq < $2 AND ($3::text IS NULL OR kind = $3) ORDER BY seq DESC LIMIT $4"""
GET: Final = f"{SHOWN} WHERE project = $1 AND id = $2"
MIGRATION: Final = f"{SHOWN} WHERE project = $1 AND kind = 'migration' AND name = $2"
ERRORS: Final = """
SELECT code, detail, count(*) AS count, (array_agg(id ORDER BY id))[1:5] AS ids
FROM walk_failures WHERE walk = $1 GROUP BY code, detail ORDER BY count(*) DESC, code, detail LIMIT 100"""
END: Final = """
UPDATE walks SET state = $3, ended_at = $4, holder = NULL WHERE project = $1 AND id = $2 AND state = ANY ($5)"""
RESUME: Final = """
UPDATE walks SET state = 'running', holder = NULL, look_at = $3 WHERE project = $1 AND id = $2 AND state = 'paused'"""
TRY_AGAIN: Final = """
UPDATE walks SET state = 'running', ended_at = NULL, error = NULL, holder = NULL, look_at = $3,
    retries = retries || ARRAY(SELECT id FROM walk_failures WHERE walk = walks.seq ORDER BY id),
    seen = seen - failed, failed = 0
WHERE project = $1 AND id = $2 AND state = 'stopped'"""
SET_CHECKSUM: Final = "UPDATE walks SET checksum = $3 WHERE project = $1 AND id = $2"
FORGET_FAILURES: Final = "DELETE FROM walk_failures WHERE walk = (SELECT seq FROM walks WHERE id = $1)"

# A project has only one walk that is being worked on at a time. A paused project has none.
CLAIM: Final = """
UPDATE walks SET holder = $1, look_at = $3 WHERE seq = (
    SELECT seq FROM walks WHERE state = 'running' AND look_at <= $2
        AND project NOT IN (SELECT project FROM paused_projects) AND project <> ALL ($4::text[])
        AND NOT EXISTS (SELECT FROM walks other WHERE other.project = walks.project AND other.state = 'running'
            AND other.holder IS NOT NULL AND other.look_at > $2)
    ORDER BY look_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, project"""
HELD: Final = """
SELECT seq, id, kind, name, function, collection, checksum, state, created_at, ended_at, total, seen, changed, deleted,
    handed_on, unchanged, failed, error, project, filter, max_errors, max_per_second, cursor, exhausted, retries,
    attempt, plan
FROM walks WHERE id = $1 AND holder = $2 AND state = 'running'
    AND project NOT IN (SELECT project FROM paused_projects)"""
EXTEND: Final = "UPDATE walks SET look_at = $3 WHERE holder = $1 AND id = ANY ($2::text[])"
RELEASE: Final = "UPDATE walks SET holder = NULL, look_at = $3 WHERE holder = $1 AND id = ANY ($2::text[])"
PREPARE: Final = """
UPDATE walks SET plan = $4, attempt = attempt + 1
WHERE id = $1 AND holder = $2 AND attempt = $3 AND state = 'running'"""
DROP_PLAN: Final = "UPDATE walks SET plan = NULL, attempt = attempt + 1 WHERE id = $1 AND attempt = $2"
FINISH: Final = """
UPDATE walks SET plan = NULL, attempt = attempt + 1, cursor = $3, exhausted = $4, retries = $5::text[],
    seen = seen + $6, changed = changed + $7, deleted = deleted + $8, handed_on = handed_on + $9,
    unchanged = unchanged + $10, failed = failed + $11
WHERE id = $1 AND attempt = $2 RETURNING seq"""
ADD_FAILURES: Final = """
INSERT INTO walk_failures (walk, id, code, detail)
SELECT $1, new.id, new.code, new.detail FROM unnest($2::text[], $3::text[], $4::text[]) AS new (id, code, detail)
ON CONFLICT (walk, id) DO UPDATE SET code = excluded.code, detail = excluded.detail"""
STOP: Final = """
UPDATE walks SET state = $3, ended_at = $4, error = $5, holder = NULL WHERE id = $1 AND holder = $2
    AND state = 'running'"""
DELETE_OLD: Final = """
DELETE FROM walks WHERE seq IN (SELECT seq FROM walks WHERE kind = 'backfill' AND ended_at < $1 LIMIT $2)"""
DELETE_ALL: Final = "DELETE FROM walks WHERE project = $1"


class Failure(msgspec.Struct, frozen=True):
    """A document that failed."""

    id: str
    code: str
    detail: str


class BatchOutcome(msgspec.Struct, frozen=True):
    """How a batch changes its walk.

    The change contains ids, but no contents of documents, which PostgreSQL must not store.

    `planned_at`: the time at which the commit was sent. `revisions`: the revisions that the commit expects, by
    document.
    """

    cursor: str | None
    exhausted: bool
    retries: tuple[str, ...]
    changed: int = 0
    deleted: int = 0
    handed_on: int = 0
    unchanged: int = 0
    failures: tuple[Failure, ...] = ()
    planned_at: datetime | None = None
    revisions: dict[str, int] = {}

    @property
    def seen(self) -> int:
        return self.changed + self.deleted + self.handed_on + self.unchanged + len(self.failures)


class StoredWalk(Walk, frozen=True):
    """A walk as the API shows it, and its position in lists."""

    seq: int = 0


class HeldWalk(StoredWalk, frozen=True):
    """A walk that this process works on. `plan`: the outcome of a batch whose commit may or may not have happened."""

    project: str = ""
    filter: dict[str, Any] | None = None
    max_errors: int = 0
    max_per_second: int = 0
    cursor: str | None = None
    exhausted: bool = False
    retries: tuple[str, ...] = ()
    attempt: int = 0
    plan: BatchOutcome | None = None


class WalkToAdd(msgspec.Struct, frozen=True):
    id: str
    project: str
    kind: WalkKind
    name: str
    function: str
    collection: str
    filter: dict[str, Any] | None
    checksum: str
    created_at: datetime
    max_errors: int
    max_per_second: int
    total: int


class ClaimedWalk(msgspec.Struct, frozen=True):
    id: str
    project: str


class WalkStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return self.db.transaction()

    # Methods for people.

    async def add(self, new: WalkToAdd, forget: Sequence[WalkState]) -> bool:
        """Add a walk.

        The new walk replaces a migration of the same name that is in one of the states `forget`. Return False if
        another walk has the migration's name, or runs over the collection.
        """
        values = [getattr(new, name) for name in WalkToAdd.__struct_fields__]
        try:
            async with self.db.transaction():
                if forget:
                    await self.db.execute(FORGET_MIGRATION, new.project, new.name, list(forget))
                await self.db.execute(ADD, *values)
        except NotUnique:
            return False
        return True

    async def walks(self, project: str, before: int, kind: WalkKind | None, limit: int) -> list[StoredWalk]:
        return await self.db.all(StoredWalk, LIST, project, before, kind, limit)

    async def walk(self, project: str, id: str) -> StoredWalk | None:
        """Return a walk with its errors."""
        return await self._with_errors(await self.db.one(StoredWalk, GET, project, id))

    async def migration(self, project: str, name: str) -> StoredWalk | None:
        """Return the state of a migration, which runs over all documents of a collection, with its errors."""
        return await self._with_errors(await self.db.one(StoredWalk, MIGRATION, project, name))

    async def end(
        self, project: str, id: str, state: WalkState, now: datetime | None, among: Sequence[WalkState]
    ) -> bool:
        """Pause or cancel a walk that is in one of the states `among`. Return False if it is in another state."""
        return bool(await self.db.execute(END, project, id, state, now, list(among)))

    async def resume(self, project: str, id: str, now: datetime) -> bool:
        """Run a paused or stopped walk again. If the walk was stopped, its failed documents come first.

        A paused walk keeps its failures, because an incomplete batch has determined which documents come next.
        Raises: WalkRunning if another walk runs over the collection.
        """
        try:
            async with self.db.transaction():
                if await self.db.execute(TRY_AGAIN, project, id, now):
                    await self.db.execute(FORGET_FAILURES, id)
                    return True
                return bool(await self.db.execute(RESUME, project, id, now))
        except NotUnique:
            raise WalkRunning("Another walk over this collection has not ended. Wait for it, or cancel it.") from None

    async def set_checksum(self, project: str, id: str, checksum: str) -> None:
        await self.db.execute(SET_CHECKSUM, project, id, checksum)

    # Methods for the process that works on walks.

    async def claim(self, holder: str, now: datetime, until: datetime, besides: Sequence[str]) -> ClaimedWalk | None:
        return await self.db.one(ClaimedWalk, CLAIM, holder, now, until, list(besides))

    async def held(self, id: str, holder: str) -> HeldWalk | None:
        """Return the walk if it runs and this process still holds it."""
        return await self.db.one(HeldWalk, HELD, id, holder)

    async def extend(self, holder: str, ids: Sequence[str], until: datetime) -> None:
        await self.db.execute(EXTEND, holder, list(ids), until)

    async def release(self, holder: str, ids: Sequence[str], now: datetime) -> None:
        """Release the walks, so that other processes can continue them at once."""
        await self.db.execute(RELEASE, holder, list(ids), now)

    async def prepare(self, walk: HeldWalk, holder: str, outcome: BatchOutcome) -> HeldWalk | None:
        """Store the outcome of a commit before it is sent. Return None if the walk was lost, paused or cancelled."""
        if not await self.db.execute(PREPARE, walk.id, holder, walk.attempt, outcome):
            return None
        return msgspec.structs.replace(walk, attempt=walk.attempt + 1, plan=outcome)

    async def drop_plan(self, walk: HeldWalk) -> None:
        """Delete the plan of a batch that was not committed."""
        await self.db.execute(DROP_PLAN, walk.id, walk.attempt)

    async def finish(self, walk: HeldWalk, outcome: BatchOutcome) -> bool:
        """Record a batch. Return False if another process has already recorded this batch or another batch."""
        async with self.db.transaction():
            seq = await self.db.value(
                FINISH, walk.id, walk.attempt, outcome.cursor, outcome.exhausted, list(outcome.retries), outcome.seen,
                outcome.changed, outcome.deleted, outcome.handed_on, outcome.unchanged, len(outcome.failures),
            )  # fmt: skip
            if seq is not None and outcome.failures:
                columns = [[getattr(one, name) for one in outcome.failures] for name in Failure.__struct_fields__]
                await self.db.execute(ADD_FAILURES, seq, *columns)
        return seq is not None

    async def stop(self, walk: HeldWalk, holder: str, state: WalkState, now: datetime, error: str | None) -> None:
        await self.db.execute(STOP, walk.id, holder, state, now, error)

    async def delete_old(self, before: datetime) -> None:
        """Delete backfills that ended before a time. Migrations stay, because they show which migrations have run."""
        await self.db.delete_in_batches(DELETE_OLD, before)

    async def delete_all(self, project: str) -> None:
        await self.db.execute(DELETE_ALL, project)

    async def _with_errors(self, found: StoredWalk | None) -> StoredWalk | None:
        if found is None or not found.failed:
            return found
        return msgspec.structs.replace(found, errors=tuple(await self.db.all(WalkError, ERRORS, found.seq)))
