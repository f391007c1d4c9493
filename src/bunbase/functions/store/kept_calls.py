"""SQL of kept calls, which store the answers for idempotency keys: one row for each key of a call or a new job."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database
from bunbase.pkg.idempotency import KEPT_FOR, Attempt

MOST_ROWS: Final = 10_000  # A project has at most this many rows. The newest rows stay.
MOST_LARGE_ROWS: Final = 500
LARGE_BYTES: Final = 4 << 10  # Because of this limit, the rows of a project have at most 80 MB.
TRIM_EVERY: Final = 32  # After this many finished calls, this process deletes old rows.

# A key that is too old is free again. If the server died during a call, the key is also free, but only for the same
# request.
CLAIM = """
INSERT INTO kept_calls (project, act, request, at, until) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (project, act) DO UPDATE
SET request = excluded.request, at = excluded.at, until = excluded.until, answer = NULL, large = false
WHERE kept_calls.at < $6 OR (kept_calls.until <= excluded.at AND kept_calls.request = excluded.request)"""
FIND = "SELECT request, until, answer FROM kept_calls WHERE project = $1 AND act = $2"
FINISH = """
UPDATE kept_calls SET until = NULL, answer = $4, large = $5 WHERE project = $1 AND act = $2 AND until = $3"""
RELEASE = "DELETE FROM kept_calls WHERE project = $1 AND act = $2 AND until = $3"
TRIM = """
DELETE FROM kept_calls WHERE project = $1 AND large = $2 AND until IS NULL AND at < (
    SELECT at FROM kept_calls WHERE project = $1 AND large = $2 ORDER BY at DESC OFFSET $3 LIMIT 1)"""
DELETE_OLD = "DELETE FROM kept_calls WHERE ctid IN (SELECT ctid FROM kept_calls WHERE at < $1 LIMIT $2)"
DELETE_ALL = "DELETE FROM kept_calls WHERE ctid IN (SELECT ctid FROM kept_calls WHERE project = $1 LIMIT $2)"


class KeptRow(msgspec.Struct, frozen=True):
    """A stored key. `until`: the end of the lease of a running call, or None when the call is over.

    `answer`: the answer, or None if it was too large.
    """

    request: bytes
    until: datetime | None
    answer: str | None


class Claim(msgspec.Struct, frozen=True):
    """A key that a call holds until the time `until`. `act`: the hash of the key."""

    act: bytes
    until: datetime


class KeptCallStore:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.finished = 0

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return self.db.transaction()

    async def claim(self, project: str, attempt: Attempt, now: datetime, until: datetime) -> Claim | KeptRow:
        """Claim a free key, or return its row.

        If another transaction has claimed the key, wait for the end of that transaction.
        """
        while True:
            free_before = now - KEPT_FOR
            what = (project, attempt.act, attempt.request, now, until, free_before)
            if await self.db.execute(CLAIM, *what):
                return Claim(attempt.act, until)
            if (found := await self.db.one(KeptRow, FIND, project, attempt.act)) is not None:
                return found

    async def finish(self, project: str, claim: Claim, answer: str | None) -> None:
        """Store the answer, or None if the answer is too large."""
        large = answer is not None and len(answer) > LARGE_BYTES
        await self.db.execute(FINISH, project, claim.act, claim.until, answer, large)
        self.finished += 1
        if self.finished % TRIM_EVERY == 0:
            await self.trim(project)

    async def release(self, project: str, claim: Claim) -> None:
        """Delete the key of a call that has not begun."""
        await self.db.execute(RELEASE, project, claim.act, claim.until)

    async def trim(self, project: str) -> None:
        for large, most in ((False, MOST_ROWS), (True, MOST_LARGE_ROWS)):
            await self.db.execute(TRIM, project, large, most - 1)

    async def delete_old(self, now: datetime) -> None:
        await self.db.delete_in_batches(DELETE_OLD, now - KEPT_FOR)

    async def delete_all(self, project: str) -> None:
        await self.db.delete_in_batches(DELETE_ALL, project)
