"""Hashes of the earlier passwords of users in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from bunbase.pkg.db.database import Database

READ = "SELECT array_agg(hash ORDER BY id DESC) FROM password_history WHERE project = $1 AND user_id = $2"
ADD = "INSERT INTO password_history (project, user_id, hash, created_at) VALUES ($1, $2, $3, $4)"
# The present password counts as one of the last passwords, but it is stored in `users`. So the history stores one hash
# less than the setting says. If the project has no history, it stores none.
PRUNE = """
DELETE FROM password_history WHERE project = $1 AND user_id = $2 AND id NOT IN (
    SELECT id FROM password_history WHERE project = $1 AND user_id = $2 ORDER BY id DESC LIMIT greatest(0, coalesce((
        SELECT (settings -> 'password' ->> 'history')::int FROM auth_settings WHERE project = $1), 0) - 1)
)"""


class PasswordHistory:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def hashes(self, project: str, user: str) -> list[str]:
        """Return the hashes of the earlier passwords, newest first."""
        return await self.db.value(READ, project, user) or []

    async def keep(self, project: str, user: str, hash: str, now: datetime) -> None:
        """If the project has a history, store the hash of a password that has just been replaced. Delete older hashes.

        Call this inside the transaction of the change, while the user is locked.
        """
        await self.db.execute(ADD, project, user, hash, now)
        await self.db.execute(PRUNE, project, user)
