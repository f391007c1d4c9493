"""Links that were sent by mail, and requests for such mails, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

ADD = "INSERT INTO mail_tokens (hash, kind, user_id, email, name, expires_at) VALUES ($1, $2, $3, $4, $5, $6)"
FIND = "SELECT kind, user_id, email, name FROM mail_tokens WHERE hash = $1 AND kind = ANY ($2) AND expires_at > $3"
TAKE = """
DELETE FROM mail_tokens WHERE hash = $1 AND kind = ANY ($2) AND expires_at > $3
RETURNING kind, user_id, email, name"""
FORGET_OF_ACCOUNT = "DELETE FROM mail_tokens WHERE user_id = $1 AND kind = ANY ($2)"
FORGET_OF_ADDRESS = "DELETE FROM mail_tokens WHERE email = $1 AND kind = $2"
DELETE_EXPIRED = """
DELETE FROM mail_tokens WHERE hash IN (SELECT hash FROM mail_tokens WHERE expires_at < $1 LIMIT $2)"""

REQUEST = """
INSERT INTO mail_requests (kind, email, name, requested_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, email) DO UPDATE SET name = excluded.name"""
TAKE_REQUEST = """
DELETE FROM mail_requests WHERE (kind, email) = (
    SELECT kind, email FROM mail_requests ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING kind, email, name"""


class MailKind(StrEnum):
    """The effect of a link."""

    SIGN_UP = "sign_up"  # opens an account
    VERIFY_EMAIL = "verify_email"
    PASSWORD_RESET = "password_reset"
    CHANGE_OF_OLD = "change_of_old"  # the present address agrees to a new one
    CHANGE_OF_NEW = "change_of_new"  # the new address exists and agrees


CHANGES: Final = (MailKind.CHANGE_OF_OLD, MailKind.CHANGE_OF_NEW)


class NewMailToken(msgspec.Struct, frozen=True):
    hash: bytes
    kind: MailKind
    user_id: str | None
    email: str
    expires_at: datetime
    name: str = ""


class MailToken(msgspec.Struct, frozen=True):
    """`user_id`: None if the link opens an account. `email`: the address that the mail was sent to."""

    kind: MailKind
    user_id: str | None
    email: str
    name: str


class MailRequest(msgspec.Struct, frozen=True):
    kind: MailKind
    email: str
    name: str


class MailTokenStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, new: NewMailToken) -> None:
        await self.db.execute(ADD, new.hash, new.kind, new.user_id, new.email, new.name, new.expires_at)

    async def find(self, hash: bytes, kinds: tuple[MailKind, ...], now: datetime) -> MailToken | None:
        return await self.db.one(MailToken, FIND, hash, list(kinds), now)

    async def take(self, hash: bytes, kinds: tuple[MailKind, ...], now: datetime) -> MailToken | None:
        """Return a valid token and delete it, so that of two requests at once only one gets it."""
        return await self.db.one(MailToken, TAKE, hash, list(kinds), now)

    async def forget_of_account(self, user: str, *kinds: MailKind) -> None:
        await self.db.execute(FORGET_OF_ACCOUNT, user, list(kinds))

    async def forget_of_address(self, email: str, kind: MailKind) -> None:
        await self.db.execute(FORGET_OF_ADDRESS, email, kind)

    async def request(self, kind: MailKind, email: str, now: datetime, name: str = "") -> None:
        """Store a request for a mail. Several requests of one kind for one address are answered with one mail."""
        await self.db.execute(REQUEST, kind, email, name, now)

    async def take_request(self) -> MailRequest | None:
        """Return the oldest request and delete it. Call this inside the transaction that answers it."""
        return await self.db.one(MailRequest, TAKE_REQUEST)

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED, before)
