"""Links that were sent by mail, and requests for such mails, in PostgreSQL.

`kind`: the name that the room gives to the effect of a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database
from bunbase.pkg.project_turns import Turn

# At most this many requests of one pool wait, because a server with a secret key may send any number of requests.
MAX_REQUESTS: Final = 10_000

ADD: Final = """
INSERT INTO mail_tokens (project, hash, kind, user_id, email, name, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"""
LOCK_OLDEST: Final = """
SELECT array_agg(hash) FROM (
    SELECT hash FROM mail_tokens WHERE project = $1 AND user_id = $2 AND kind = $3
    ORDER BY expires_at DESC OFFSET $4 FOR UPDATE) AS locked"""
LOCK_OF_ADDRESS: Final = """
SELECT array_agg(hash) FROM (
    SELECT hash FROM mail_tokens WHERE project = $1 AND email = $2 AND kind = $3 ORDER BY hash FOR UPDATE) AS locked"""
FORGET: Final = "DELETE FROM mail_tokens WHERE project = $1 AND hash = ANY ($2)"
FIND: Final = """
SELECT kind, user_id, email, name FROM mail_tokens
WHERE project = $1 AND hash = $2 AND kind = ANY ($3) AND expires_at > $4"""
TAKE: Final = """
DELETE FROM mail_tokens WHERE project = $1 AND hash = $2 AND kind = ANY ($3) AND expires_at > $4
RETURNING kind, user_id, email, name"""
FORGET_OF_ACCOUNT: Final = "DELETE FROM mail_tokens WHERE project = $1 AND user_id = $2 AND kind = ANY ($3)"
FORGET_OF_ADDRESS: Final = "DELETE FROM mail_tokens WHERE project = $1 AND email = $2 AND kind = $3"
RENEW: Final = "UPDATE mail_tokens SET expires_at = $3 WHERE project = $1 AND hash = ANY ($2)"
DELETE_EXPIRED: Final = """
DELETE FROM mail_tokens WHERE (project, hash) IN (
    SELECT project, hash FROM mail_tokens WHERE expires_at < $1 LIMIT $2)"""

REQUEST: Final = """
INSERT INTO mail_requests (project, kind, email, name, language, requested_at) SELECT $1, $2, $3, $4, $5, $6
WHERE (SELECT count(*) FROM (SELECT FROM mail_requests WHERE project = $1 LIMIT $7) AS waiting) < $7
ON CONFLICT (project, kind, email) DO UPDATE SET name = excluded.name, language = excluded.language"""
NEXT_REQUEST: Final = """
SELECT project, kind, email, name, language FROM mail_requests
WHERE requested_at <= $1 AND project COLLATE "C" >= $2
ORDER BY project COLLATE "C", requested_at LIMIT 1"""
TAKE_REQUEST: Final = """
DELETE FROM mail_requests WHERE project = $1 AND kind = $2 AND email = $3 AND name = $4 AND language = $5"""
POSTPONE_REQUEST: Final = """
UPDATE mail_requests SET requested_at = $4 WHERE project = $1 AND kind = $2 AND email = $3"""
DROP_REQUEST: Final = "DELETE FROM mail_requests WHERE project = $1 AND kind = $2 AND email = $3"


class NewMailToken(msgspec.Struct, frozen=True):
    hash: bytes
    kind: str
    user_id: str | None
    email: str
    expires_at: datetime
    name: str = ""


class MailToken(msgspec.Struct, frozen=True):
    """A link. `user_id`: the account, or None if the link opens an account.

    `email`: the address to which the mail was sent.
    """

    kind: str
    user_id: str | None
    email: str
    name: str


class MailRequest(msgspec.Struct, frozen=True):
    """`project`: the project of the pool; empty for the accounts of the installation.

    `language`: the language of the person who asked, or empty if the language is not known.
    """

    project: str
    kind: str
    email: str
    name: str
    language: str


class MailTokenStore:
    def __init__(self, db: Database, project: str) -> None:
        self.db = db
        self.project = project

    async def add(self, new: NewMailToken) -> None:
        args = (new.hash, new.kind, new.user_id, new.email, new.name, new.expires_at)
        await self.db.execute(ADD, self.project, *args)

    async def oldest_locked(self, user: str, kind: str, keep: int) -> list[bytes]:
        """Lock the links of an account and kind. Return the hashes of the oldest links, without the newest `keep`."""
        return await self.db.value(LOCK_OLDEST, self.project, user, kind, keep) or []

    async def of_address_locked(self, email: str, kind: str) -> list[bytes]:
        """Lock the links of a kind to an address, and return their hashes."""
        return await self.db.value(LOCK_OF_ADDRESS, self.project, email, kind) or []

    async def forget(self, hashes: Sequence[bytes]) -> None:
        await self.db.execute(FORGET, self.project, hashes)

    async def find(self, hash: bytes, kinds: Sequence[str], now: datetime) -> MailToken | None:
        return await self.db.one(MailToken, FIND, self.project, hash, list(kinds), now)

    async def take(self, hash: bytes, kinds: Sequence[str], now: datetime) -> MailToken | None:
        """Return a valid token and delete it, so that only one of two simultaneous requests gets it."""
        return await self.db.one(MailToken, TAKE, self.project, hash, list(kinds), now)

    async def forget_of_account(self, user: str, *kinds: str) -> None:
        await self.db.execute(FORGET_OF_ACCOUNT, self.project, user, list(kinds))

    async def forget_of_address(self, email: str, kind: str) -> None:
        await self.db.execute(FORGET_OF_ADDRESS, self.project, email, kind)

    async def renew(self, hashes: Sequence[bytes], expires_at: datetime) -> None:
        """Let links expire later."""
        await self.db.execute(RENEW, self.project, hashes, expires_at)

    async def request(self, kind: str, email: str, now: datetime, name: str = "", language: str = "") -> bool:
        """Store a request for a mail. Several requests of one kind for one address are answered with one mail.

        Return False if too many requests of the pool wait already.
        """
        args = (kind, email, name, language, now, MAX_REQUESTS)
        return bool(await self.db.execute(REQUEST, self.project, *args))


async def next_request(db: Database, now: datetime, turn: Turn) -> MailRequest | None:
    """Return the oldest request of the next pool."""

    async def find(smallest: str) -> MailRequest | None:
        return await db.one(MailRequest, NEXT_REQUEST, now, smallest)

    return await turn.next(find, lambda asked: asked.project)


async def take_request(db: Database, asked: MailRequest) -> bool:
    """Delete a request. Return False if it was answered or changed meanwhile.

    Call this inside the transaction that answers it.
    """
    return bool(await db.execute(TAKE_REQUEST, asked.project, asked.kind, asked.email, asked.name, asked.language))


async def postpone_request(db: Database, asked: MailRequest, until: datetime) -> None:
    await db.execute(POSTPONE_REQUEST, asked.project, asked.kind, asked.email, until)


async def drop_request(db: Database, asked: MailRequest) -> None:
    await db.execute(DROP_REQUEST, asked.project, asked.kind, asked.email)
