"""Authorization requests, the sessions of the sign-in page, and codes, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database
from bunbase.pkg.openid_provider.requests import AuthorizationRequest

ADD = """
INSERT INTO oauth_requests (hash, browser_hash, client_id, redirect_uri, asked, created_at, expires_at,
    network)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
# Two simultaneous requests may choose the same rows. SKIP LOCKED prevents a deadlock between them.
DELETE_MOST = """
DELETE FROM oauth_requests WHERE hash IN (
    SELECT hash FROM oauth_requests WHERE hash IN (
        (SELECT hash FROM oauth_requests WHERE browser_hash = $1 AND hash <> $5 ORDER BY created_at DESC OFFSET $2)
        UNION ALL
        (SELECT hash FROM oauth_requests WHERE network = $3 AND $3 <> '' AND hash <> $5
            ORDER BY created_at DESC OFFSET $4)
    ) FOR UPDATE SKIP LOCKED)"""
REQUEST = """
SELECT hash, browser_hash, client_id, redirect_uri, asked, created_at, expires_at FROM oauth_requests
WHERE hash = $1 AND expires_at > $2"""
MOVE = "UPDATE oauth_requests SET browser_hash = $2 WHERE browser_hash = $1"
DELETE = "DELETE FROM oauth_requests WHERE hash = $1"
DELETE_EXPIRED = """
DELETE FROM oauth_requests WHERE hash IN (SELECT hash FROM oauth_requests WHERE expires_at < $1 LIMIT $2)"""

ADD_PERSON = "INSERT INTO page_sessions (hash, session, amr) VALUES ($1, $2, $3)"
PERSON = """
SELECT page_sessions.hash, session, user_id, sessions.created_at AS signed_in_at, amr, version
FROM page_sessions
    JOIN sessions ON sessions.id = session
    JOIN users ON users.id = user_id
WHERE ended_at IS NULL AND expires_at > $2 AND suspended_at IS NULL AND """
PERSON_OF_BROWSER = PERSON + "page_sessions.hash = $1"
PERSON_OF_SESSION = PERSON + "session = $1"

ADD_CODE = """
INSERT INTO oauth_codes (hash, client_id, user_id, user_version, redirect_uri, code_challenge, scopes, nonce,
    signed_in_at, amr, ip, agent, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"""
LOCKED_CODE = """
SELECT client_id, user_id, user_version, redirect_uri, code_challenge, scopes, nonce, signed_in_at, amr, ip, agent,
    expires_at, session
FROM oauth_codes WHERE hash = $1 AND client_id = $2 FOR UPDATE"""
KEEP_OWNER = """
SELECT FROM users WHERE id = (SELECT user_id FROM oauth_codes WHERE hash = $1 AND client_id = $2) FOR SHARE"""
USE_CODE = "UPDATE oauth_codes SET session = $2 WHERE hash = $1"
DELETE_CODES = "DELETE FROM oauth_codes WHERE user_id = $1 AND client_id = $2"
DELETE_OLD_CODES = """
DELETE FROM oauth_codes WHERE hash IN (SELECT hash FROM oauth_codes WHERE expires_at < $1 LIMIT $2)"""

MAX_OF_BROWSER: Final = 20
MAX_OF_NETWORK: Final = 1000


class StoredRequest(msgspec.Struct, frozen=True):
    hash: bytes
    browser_hash: bytes
    client_id: str
    redirect_uri: str
    asked: AuthorizationRequest
    created_at: datetime
    expires_at: datetime


class PagePerson(msgspec.Struct, frozen=True):
    """A person who is signed in on the page. `hash`: the hash of the cookie.

    `version`: the present version of the account.
    """

    hash: bytes
    session: str
    user_id: str
    signed_in_at: datetime
    amr: tuple[str, ...]
    version: int


class OAuthCode(msgspec.Struct, frozen=True):
    """A code. `ip`, `agent`: the IP address and the User-Agent header of the browser.

    `session`: the session that was opened with the code, or None if the code was not used.
    """

    client_id: str
    user_id: str
    user_version: int
    redirect_uri: str
    code_challenge: str
    scopes: tuple[str, ...]
    nonce: str
    signed_in_at: datetime
    amr: tuple[str, ...]
    ip: str
    agent: str
    expires_at: datetime
    session: str | None = None


class OAuthRequestStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, new: StoredRequest, network: str) -> None:
        """Add a request. If its browser or its network has too many requests, delete the oldest requests.

        If BunBase refused new requests instead, one page with many embedded links could block the sign-in of a whole
        office.
        """
        asked = msgspec.to_builtins(new.asked)
        args = (new.hash, new.browser_hash, new.client_id, new.redirect_uri, asked)
        await self.db.execute(ADD, *args, new.created_at, new.expires_at, network)
        others = (new.browser_hash, MAX_OF_BROWSER - 1, network, MAX_OF_NETWORK - 1)
        await self.db.execute(DELETE_MOST, *others, new.hash)

    async def find(self, hash: bytes, now: datetime) -> StoredRequest | None:
        return await self.db.one(StoredRequest, REQUEST, hash, now)

    async def move(self, old_browser: bytes, browser: bytes) -> None:
        """Bind the requests of a browser to its new cookie."""
        await self.db.execute(MOVE, old_browser, browser)

    async def delete(self, hash: bytes) -> bool:
        """Delete a request. Return False if another request has already deleted it."""
        return bool(await self.db.execute(DELETE, hash))

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED, before)

    async def add_person(self, browser: bytes, session: str, amr: tuple[str, ...]) -> None:
        await self.db.execute(ADD_PERSON, browser, session, list(amr))

    async def person(self, browser: bytes, now: datetime) -> PagePerson | None:
        """Return the person of a cookie, or None if the session has ended."""
        return await self.db.one(PagePerson, PERSON_OF_BROWSER, browser, now)

    async def person_of_session(self, session: str, now: datetime) -> PagePerson | None:
        return await self.db.one(PagePerson, PERSON_OF_SESSION, session, now)


class OAuthCodeStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, hash: bytes, new: OAuthCode) -> None:
        who = (new.client_id, new.user_id, new.user_version, new.redirect_uri, new.code_challenge)
        what = (list(new.scopes), new.nonce, new.signed_in_at, list(new.amr), new.ip, new.agent, new.expires_at)
        await self.db.execute(ADD_CODE, hash, *who, *what)

    async def locked(self, hash: bytes, client: str) -> OAuthCode | None:
        """Return a code of this client, and lock it until the transaction ends.

        The account is locked before the code. The deletion of an account locks both in the same order, so the two
        transactions cannot deadlock.
        """
        await self.db.execute(KEEP_OWNER, hash, client)
        return await self.db.one(OAuthCode, LOCKED_CODE, hash, client)

    async def use(self, hash: bytes, session: str) -> None:
        await self.db.execute(USE_CODE, hash, session)

    async def delete_of(self, user: str, client: str) -> None:
        await self.db.execute(DELETE_CODES, user, client)

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_OLD_CODES, before)
