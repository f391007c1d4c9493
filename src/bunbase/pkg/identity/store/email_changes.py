"""New addresses of the accounts of one pool that are not yet confirmed, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

REPLACE: Final = """
INSERT INTO email_changes (project, user_id, new_email, old_confirmed, new_confirmed, expires_at)
VALUES ($1, $2, $3, $4, false, $5)
ON CONFLICT (project, user_id) DO UPDATE
SET new_email = $3, old_confirmed = $4, new_confirmed = false, expires_at = $5"""
CONFIRM_OLD: Final = """
UPDATE email_changes SET old_confirmed = true WHERE project = $1 AND user_id = $2 AND expires_at > $3
RETURNING new_email, old_confirmed, new_confirmed"""
CONFIRM_NEW: Final = """
UPDATE email_changes SET new_confirmed = true WHERE project = $1 AND user_id = $2 AND expires_at > $3
RETURNING new_email, old_confirmed, new_confirmed"""
FORGET: Final = "DELETE FROM email_changes WHERE project = $1 AND user_id = $2"
DELETE_EXPIRED: Final = """
DELETE FROM email_changes WHERE (project, user_id) IN (
    SELECT project, user_id FROM email_changes WHERE expires_at < $1 LIMIT $2)"""


class EmailChange(msgspec.Struct, frozen=True):
    new_email: str
    old_confirmed: bool
    new_confirmed: bool

    @property
    def confirmed(self) -> bool:
        return self.old_confirmed and self.new_confirmed


class EmailChangeStore:
    def __init__(self, db: Database, project: str) -> None:
        self.db = db
        self.project = project

    async def replace(self, user: str, new_email: str, old_confirmed: bool, expires_at: datetime) -> None:
        """Store a change, which replaces an earlier change that is not confirmed."""
        await self.db.execute(REPLACE, self.project, user, new_email, old_confirmed, expires_at)

    async def confirm(self, user: str, by_old: bool, now: datetime) -> EmailChange | None:
        """Store that one of the addresses has confirmed the change.

        Return None if the change does not exist any more.
        """
        return await self.db.one(EmailChange, CONFIRM_OLD if by_old else CONFIRM_NEW, self.project, user, now)

    async def forget(self, user: str) -> None:
        await self.db.execute(FORGET, self.project, user)
