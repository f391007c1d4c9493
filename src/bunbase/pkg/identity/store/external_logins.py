"""Sign-ins at other services that are under way, their codes, and tickets for linking, in PostgreSQL.

Each row is read once: the same statement reads and deletes it, so only one of two simultaneous requests gets the row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

ADD_LOGIN: Final = """
INSERT INTO external_logins
    (project, state_hash, browser_hash, provider, redirect_to, code_challenge, link_session, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
TAKE_LOGIN: Final = """
DELETE FROM external_logins
WHERE project = $1 AND state_hash = $2 AND browser_hash = $3 AND provider = $4 AND expires_at > $5
RETURNING redirect_to, code_challenge, link_session"""
BEGUN_LOGIN: Final = """
SELECT redirect_to FROM external_logins WHERE project = $1 AND state_hash = $2 AND provider = $3 AND expires_at > $4"""
ADD_CODE: Final = """
INSERT INTO external_codes
    (project, hash, provider, code_challenge, link_session, subject, email, email_verified, name, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""
FIND_CODE: Final = """
SELECT provider, code_challenge, link_session, subject, email, email_verified, name FROM external_codes
WHERE project = $1 AND hash = $2 AND expires_at > $3"""
TAKE_CODE: Final = """
DELETE FROM external_codes WHERE project = $1 AND hash = $2 AND expires_at > $3
RETURNING provider, code_challenge, link_session, subject, email, email_verified, name"""
ADD_TICKET: Final = (
    "INSERT INTO link_tickets (project, hash, provider, session, expires_at) VALUES ($1, $2, $3, $4, $5)"
)
DELETE_OLDEST_TICKETS: Final = """
DELETE FROM link_tickets WHERE project = $1 AND hash IN (
    SELECT hash FROM link_tickets WHERE project = $1 AND session = $2 ORDER BY expires_at DESC OFFSET $3)"""
TAKE_TICKET: Final = """
DELETE FROM link_tickets WHERE project = $1 AND hash = $2 AND provider = $3 AND expires_at > $4 RETURNING session"""
PROJECT_OF_LOGIN: Final = "SELECT project FROM external_logins WHERE state_hash = $1 AND expires_at > $2"
ALL_EXPIRED: Final = (
    "DELETE FROM external_logins WHERE (project, state_hash) IN"
    " (SELECT project, state_hash FROM external_logins WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM external_codes WHERE (project, hash) IN"
    " (SELECT project, hash FROM external_codes WHERE expires_at < $1 LIMIT $2)",
    "DELETE FROM link_tickets WHERE (project, hash) IN"
    " (SELECT project, hash FROM link_tickets WHERE expires_at < $1 LIMIT $2)",
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
    def __init__(self, db: Database, project: str) -> None:
        self.db = db
        self.project = project

    async def add(self, new: NewExternalLogin) -> None:
        await self.db.execute(ADD_LOGIN, self.project, *msgspec.structs.astuple(new))

    async def take(self, state_hash: bytes, browser_hash: bytes, provider: str, now: datetime) -> ExternalLogin | None:
        return await self.db.one(ExternalLogin, TAKE_LOGIN, self.project, state_hash, browser_hash, provider, now)

    async def redirect_of(self, state_hash: bytes, provider: str, now: datetime) -> str | None:
        """Return the URL of the app that began a sign-in, or None if there is no such sign-in.

        The sign-in stays open.
        """
        found: str | None = await self.db.value(BEGUN_LOGIN, self.project, state_hash, provider, now)
        return found

    async def add_code(self, hash: bytes, code: ExternalCode, expires_at: datetime) -> None:
        await self.db.execute(ADD_CODE, self.project, hash, *msgspec.structs.astuple(code), expires_at)

    async def find_code(self, hash: bytes, now: datetime) -> ExternalCode | None:
        """Return the person of a code, which stays valid."""
        return await self.db.one(ExternalCode, FIND_CODE, self.project, hash, now)

    async def take_code(self, hash: bytes, now: datetime) -> ExternalCode | None:
        return await self.db.one(ExternalCode, TAKE_CODE, self.project, hash, now)

    async def add_ticket(self, hash: bytes, provider: str, session: str, expires_at: datetime, keep: int) -> None:
        """Add a ticket, and delete the oldest tickets of the session, except `keep` tickets."""
        async with self.db.transaction():
            await self.db.execute(ADD_TICKET, self.project, hash, provider, session, expires_at)
            await self.db.execute(DELETE_OLDEST_TICKETS, self.project, session, keep)

    async def take_ticket(self, hash: bytes, provider: str, now: datetime) -> str | None:
        """Return the session that may link an identity."""
        found: str | None = await self.db.value(TAKE_TICKET, self.project, hash, provider, now)
        return found


async def project_of_login(db: Database, state_hash: bytes, now: datetime) -> str | None:
    """Return the project of the pool in which a sign-in began. A provider sends back the state, but no project."""
    found: str | None = await db.value(PROJECT_OF_LOGIN, state_hash, now)
    return found
