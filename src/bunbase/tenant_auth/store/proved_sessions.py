"""The proofs in the sessions of one project's users, in PostgreSQL (`pkg/identity/fresh_proofs.py`)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.pkg.db.database import Database

SESSION = """
SELECT user_id, proved_at FROM sessions WHERE project = $1 AND id = $2 AND ended_at IS NULL AND expires_at > $3"""
PROVE = "UPDATE sessions SET proved_at = $3, failed_proofs = 0 WHERE project = $1 AND id = $2"
FAIL_PROOF = """
UPDATE sessions SET failed_proofs = failed_proofs + 1 WHERE project = $1 AND id = $2 RETURNING failed_proofs"""


class OpenedSession(msgspec.Struct, frozen=True):
    user_id: str
    proved_at: datetime | None


class PoolSessions:
    def __init__(self, db: Database, project: str) -> None:
        self.db = db
        self.project = project

    async def open_session(self, id: str, now: datetime) -> OpenedSession | None:
        return await self.db.one(OpenedSession, SESSION, self.project, id, now)

    async def prove(self, id: str, now: datetime) -> None:
        """Store the time of a proof, and reset the count of failed proofs."""
        await self.db.execute(PROVE, self.project, id, now)

    async def fail_proof(self, id: str) -> int:
        """Count a failed proof. Return the number of failed proofs since the last right proof."""
        failed: int | None = await self.db.value(FAIL_PROOF, self.project, id)
        return failed or 0
