"""Codes of the sign-in page, in PostgreSQL. The statement that reads a code also deletes it, so it works only once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

ADD: Final = """
INSERT INTO page_codes (project, hash, session, code_challenge, sealed, expires_at) VALUES ($1, $2, $3, $4, $5, $6)"""
TAKE: Final = """
DELETE FROM page_codes WHERE project = $1 AND hash = $2 AND expires_at > $3
RETURNING session, code_challenge, sealed"""
# Nobody has received the tokens of such a session, so no access tokens must be revoked. The codes are deleted too.
END_UNUSED: Final = """
DELETE FROM sessions WHERE (project, id) IN (SELECT project, session FROM page_codes WHERE expires_at <= $1 LIMIT $2)"""


class PageCode(msgspec.Struct, frozen=True):
    """A code. `sealed`: the tokens of the session.
    Only a caller that knows the verifier of `code_challenge` gets these tokens.
    """

    session: str
    code_challenge: str
    sealed: str


class PageCodeStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, project: str, hash: bytes, code: PageCode, expires_at: datetime) -> None:
        await self.db.execute(ADD, project, hash, *msgspec.structs.astuple(code), expires_at)

    async def take(self, project: str, hash: bytes, now: datetime) -> PageCode | None:
        return await self.db.one(PageCode, TAKE, project, hash, now)

    async def end_unused(self, now: datetime) -> None:
        """Delete the sessions of all projects whose code was not exchanged in time, and the codes."""
        await self.db.delete_in_batches(END_UNUSED, now)
