"""Invitations to open an account, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.bunauth.invites import AccountInvite
from bunbase.pkg.db.database import Database

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('bunauth: invites', 0))"
COUNT = "SELECT count(*) FROM invites WHERE expires_at > $1"
ADD = """
INSERT INTO invites (id, hash, mail_hash, email, role, invited_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
PAGE = """
SELECT invites.id, invites.email, invites.role, invites.created_at, expires_at, invited_by,
    coalesce(users.email, '') AS inviter
FROM invites LEFT JOIN users ON users.id = invited_by
WHERE expires_at > $1 AND ($2 = '' OR invites.id < $2) ORDER BY invites.id DESC LIMIT $3"""
# A removed administrator cannot come back with an invitation that the administrator has made.
FIND = """
SELECT id, email, role, invited_by, hash <> $1 AS mailed FROM invites
WHERE (hash = $1 OR mail_hash = $1) AND expires_at > $2
    AND EXISTS (SELECT FROM users WHERE users.id = invited_by AND users.role = 'admin' AND suspended_at IS NULL)"""
TAKE = """
DELETE FROM invites WHERE (hash = $1 OR mail_hash = $1) AND expires_at > $2
    AND EXISTS (SELECT FROM users WHERE users.id = invited_by AND users.role = 'admin' AND suspended_at IS NULL)"""
DELETE = "DELETE FROM invites WHERE id = $1"
DELETE_EXPIRED = "DELETE FROM invites WHERE id IN (SELECT id FROM invites WHERE expires_at < $1 LIMIT $2)"


class Admission(msgspec.Struct, frozen=True):
    """A valid invitation. `email`: the only address that may use it, or None for any address.

    `mailed`: true if the token belongs to the link in the mail, so that the person with the token can read the mailbox.
    """

    id: str
    email: str | None
    role: str
    invited_by: str
    mailed: bool


class InviteStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, new: AccountInvite, hash: bytes, mail_hash: bytes | None, invited_by: str, limit: int) -> bool:
        """Add an invitation. Return False if `limit` invitations are open already.

        `hash`: the hash of the token in the link that is shown. `mail_hash`: the hash of the token in the mail;
        None if there is no mail.
        """
        async with self.db.transaction():
            await self.db.execute(LOCK)
            if await self.db.value(COUNT, new.created_at) >= limit:
                return False
            args = (new.id, hash, mail_hash, new.email, new.role, invited_by, new.created_at, new.expires_at)
            await self.db.execute(ADD, *args)
            return True

    async def page(self, now: datetime, before: str, limit: int) -> list[AccountInvite]:
        return await self.db.all(AccountInvite, PAGE, now, before, limit)

    async def find(self, hash: bytes, now: datetime) -> Admission | None:
        """Return an invitation. The account that made it must be an administrator and not suspended."""
        return await self.db.one(Admission, FIND, hash, now)

    async def take(self, hash: bytes, now: datetime) -> bool:
        """Use up an invitation. Return False if another request has used it, or if it has expired."""
        return bool(await self.db.execute(TAKE, hash, now))

    async def delete(self, id: str) -> bool:
        return bool(await self.db.execute(DELETE, id))

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED, before)
