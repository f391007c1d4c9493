"""Sign-ins at other services that are under way, their codes, and tickets that link, in PostgreSQL.

Each of them is taken once: the statement that reads it deletes it, so of two requests at once only one gets it.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.pkg.db.database import Database

ADD_LOGIN = """
INSERT INTO external_logins
    (state_hash, browser_hash, provider, redirect_to, code_challenge, link_session, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
TAKE_LOGIN = """
DELETE FROM external_logins WHERE state_hash = $1 AND browser_hash = $2 AND provider = $3 AND expires_at > $4
RETURNING redirect_to, code_challenge, link_session"""
ADD_CODE = """
INSERT INTO external_codes
    (hash, provider, code_challenge, link_session, subject, email, email_verified, name, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""
TAKE_CODE = """
DELETE FROM external_codes WHERE hash = $1 AND expires_at > $2
RETURNING provider, code_challenge, link_session, subject, email, email_verified, name"""
ADD_TICKET = "INSERT INTO link_tickets (hash, provider, session, expires_at) VALUES ($1, $2, $3, $4)"
TAKE_TICKET = """
DELETE FROM link_tickets WHERE hash = $1 AND provider = $2 AND expires_at > $3 RETURNING session"""
ALL_EXPIRED = (
    "DELETE FROM external_logins WHERE state_hash IN"
    " (SELECT state_hash FROM external_logins WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM external_codes WHERE hash IN (SELECT hash FROM external_codes WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM link_tickets WHERE hash IN (SELECT hash FROM link_tickets WHERE expires_at < $1 LIMIT $2)",
)


class NewExternalLogin(msgspec.Struct, frozen=True):
    state_hash: bytes
    browser_hash: bytes
    provider: str
    redirect_to: str
    code_challenge: str
    link_session: str
    expires_at: datetime


class ExternalLogin(msgspec.Struct, frozen=True):
    """`link_session`: the session whose account gets the identity; empty for a sign-in."""

    redirect_to: str
    code_challenge: str
    link_session: str


class ExternalCode(msgspec.Struct, frozen=True):
    """The person that a provider has named, for the client that knows the verifier of `code_challenge`."""

    provider: str
    code_challenge: str
    link_session: str
    subject: str
    email: str | None
    email_verified: bool
    name: str


class ExternalLoginStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, new: NewExternalLogin) -> None:
        await self.db.execute(ADD_LOGIN, *msgspec.structs.astuple(new))

    async def take(self, state_hash: bytes, browser_hash: bytes, provider: str, now: datetime) -> ExternalLogin | None:
        return await self.db.one(ExternalLogin, TAKE_LOGIN, state_hash, browser_hash, provider, now)

    async def add_code(self, hash: bytes, code: ExternalCode, expires_at: datetime) -> None:
        await self.db.execute(ADD_CODE, hash, *msgspec.structs.astuple(code), expires_at)

    async def take_code(self, hash: bytes, now: datetime) -> ExternalCode | None:
        return await self.db.one(ExternalCode, TAKE_CODE, hash, now)

    async def add_ticket(self, hash: bytes, provider: str, session: str, expires_at: datetime) -> None:
        await self.db.execute(ADD_TICKET, hash, provider, session, expires_at)

    async def take_ticket(self, hash: bytes, provider: str, now: datetime) -> str | None:
        """Return the session that may link an identity."""
        found: str | None = await self.db.value(TAKE_TICKET, hash, provider, now)
        return found

    async def delete_expired(self, before: datetime) -> None:
        for statement in ALL_EXPIRED:
            await self.db.delete_in_batches(statement, before)
