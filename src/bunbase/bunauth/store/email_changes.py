"""New addresses of accounts that are not yet confirmed, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.pkg.db.database import Database

REPLACE = """
INSERT INTO email_changes (user_id, new_email, old_confirmed, new_confirmed, expires_at) VALUES ($1, $2, $3, false, $4)
ON CONFLICT (user_id) DO UPDATE SET new_email = $2, old_confirmed = $3, new_confirmed = false, expires_at = $4"""
CONFIRM_OLD = """
UPDATE email_changes SET old_confirmed = true WHERE user_id = $1 AND expires_at > $2
RETURNING new_email, old_confirmed, new_confirmed"""
CONFIRM_NEW = """
UPDATE email_changes SET new_confirmed = true WHERE user_id = $1 AND expires_at > $2
RETURNING new_email, old_confirmed, new_confirmed"""
FORGET = "DELETE FROM email_changes WHERE user_id = $1"
DELETE_EXPIRED = """
DELETE FROM email_changes WHERE user_id IN (SELECT user_id FROM email_changes WHERE expires_at < $1 LIMIT $2)"""


class EmailChange(msgspec.Struct, frozen=True):
    new_email: str
    old_confirmed: bool
    new_confirmed: bool

    @property
    def confirmed(self) -> bool:
        return self.old_confirmed and self.new_confirmed


class EmailChangeStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def replace(self, user: str, new_email: str, old_confirmed: bool, expires_at: datetime) -> None:
        """Store a change in place of an earlier one that is not confirmed."""
        await self.db.execute(REPLACE, user, new_email, old_confirmed, expires_at)

    async def confirm(self, user: str, by_old: bool, now: datetime) -> EmailChange | None:
        """Store that one of the addresses has confirmed the change; None if there is no change any more."""
        return await self.db.one(EmailChange, CONFIRM_OLD if by_old else CONFIRM_NEW, user, now)

    async def forget(self, user: str) -> None:
        await self.db.execute(FORGET, user)

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED, before)
