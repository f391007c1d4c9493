"""Accounts, sessions, tokens and keys in PostgreSQL.

Secrets are stored only as hashes. Private keys are stored only sealed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.bunauth import Account, PersonalToken
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.db.lifetimes import Lifetimes
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.sessions import NewRefreshToken, Pair, RefreshToken, Session

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
FIRST_ACCOUNT: Final = "bunauth: the first account"
FIRST_KEY: Final = "bunauth: the first signing key"

HAS_ACCOUNTS = "SELECT EXISTS (SELECT FROM users)"
HAS_ADMIN = "SELECT EXISTS (SELECT FROM users WHERE role = 'admin')"
ADD_ACCOUNT = """
INSERT INTO users (id, email, name, password_hash, role, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (email) DO NOTHING"""
ACCOUNT = "SELECT id, email, name, role, created_at FROM users WHERE id = $1"
ACCOUNTS = "SELECT id, email, name, role, created_at FROM users WHERE id = ANY ($1::text[])"
ACCOUNT_BY_EMAIL = "SELECT id, email, name, role, created_at, password_hash FROM users WHERE email = $1"

SETUP_TOKEN = "SELECT hash FROM setup_token"
ADD_SETUP_TOKEN = "INSERT INTO setup_token (hash) VALUES ($1) ON CONFLICT DO NOTHING"
REPLACE_SETUP_TOKEN = "INSERT INTO setup_token (hash) VALUES ($1) ON CONFLICT (one) DO UPDATE SET hash = $1"
DELETE_SETUP_TOKEN = "DELETE FROM setup_token"

ADD_SESSION = """
WITH session AS (
    INSERT INTO sessions (id, user_id, ip, agent, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
)
INSERT INTO refresh_tokens (hash, session, expires_at) SELECT $7, id, $8 FROM session"""
SESSION_ALIVE = "SELECT EXISTS (SELECT FROM sessions WHERE id = $1 AND ended_at IS NULL AND expires_at > $2)"
ADDRESSES = """
SELECT array_agg(DISTINCT ip) FROM (
    SELECT ip FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1) ORDER BY id DESC LIMIT $2
) AS latest"""
END_SESSION = "UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL"
REFRESH_TOKEN = """
SELECT session, user_id, refresh_tokens.expires_at, used_at, sealed_pair,
    sessions.expires_at AS session_expires_at, ended_at AS session_ended_at
FROM refresh_tokens JOIN sessions ON sessions.id = session WHERE hash = $1"""
ROTATE = """
WITH used AS (
    UPDATE refresh_tokens SET used_at = $2, sealed_pair = $3
    WHERE hash = $1 AND used_at IS NULL
        AND EXISTS (SELECT FROM sessions WHERE sessions.id = session AND ended_at IS NULL)
    RETURNING session
)
INSERT INTO refresh_tokens (hash, session, expires_at) SELECT $4, session, $5 FROM used"""
FORGET_PAIRS = "UPDATE refresh_tokens SET sealed_pair = NULL WHERE sealed_pair IS NOT NULL AND used_at <= $1"
DELETE_SESSIONS = """
DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE coalesce(ended_at, expires_at) < $1 LIMIT $2)"""
DELETE_REFRESH_TOKENS = """
DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_at < $1 LIMIT $2)"""

ADD_TOKEN = """
INSERT INTO personal_tokens (id, user_id, name, scopes, hash, created_at, expires_at)
SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM personal_tokens WHERE user_id = $2) < $8"""
TOKENS = """
SELECT id, name, scopes, created_at, expires_at FROM personal_tokens WHERE user_id = $1 ORDER BY id DESC LIMIT $2"""
TOKEN_BY_HASH = """
SELECT personal_tokens.id, user_id, email, role, scopes, personal_tokens.created_at, expires_at, last_used_at
FROM personal_tokens JOIN users ON users.id = user_id WHERE hash = $1"""
TOUCH_TOKEN = "UPDATE personal_tokens SET last_used_at = $2 WHERE id = $1"
DELETE_TOKEN = "DELETE FROM personal_tokens WHERE user_id = $1 AND id = $2"
DELETE_EXPIRED_TOKENS = """
DELETE FROM personal_tokens WHERE id IN (SELECT id FROM personal_tokens WHERE expires_at < $1 LIMIT $2)"""

KEYS = "SELECT kid, sealed, created_at FROM signing_keys ORDER BY created_at DESC, kid"
ADD_KEY = "INSERT INTO signing_keys (kid, sealed, created_at) VALUES ($1, $2, $3)"


class Credentials(msgspec.Struct, frozen=True):
    """An account with the hash of its password."""

    id: str
    email: str
    name: str
    role: str
    created_at: datetime
    password_hash: str

    def account(self) -> Account:
        return Account(self.id, self.email, self.name, self.role, self.created_at)


class TokenHolder(msgspec.Struct, frozen=True):
    """A personal access token and the account that it belongs to."""

    id: str
    user_id: str
    email: str
    role: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class SealedKey(msgspec.Struct, frozen=True):
    kid: str
    sealed: str
    created_at: datetime


class BunAuthStore:
    def __init__(self, db: Database, clock: Clock, access_ttl_seconds: int, mails: MailOutbox | None = None) -> None:
        """`mails`: by default, an outbox whose mails nobody sends."""
        self.db = db
        self.mails = mails or MailOutbox(db, clock)
        self.feed = Feed(db, Revocation, clock)
        self.lifetimes = Lifetimes(db, clock, access_ttl_seconds)

    async def has_accounts(self) -> bool:
        return bool(await self.db.value(HAS_ACCOUNTS))

    async def has_admin(self) -> bool:
        return bool(await self.db.value(HAS_ADMIN))

    async def add_first_account(self, new: Credentials) -> bool:
        """Add the first account and delete the setup token.

        Return False if there is an account already: of several calls at once, only one succeeds.
        """
        async with self.db.transaction():
            await self.db.execute(LOCK, FIRST_ACCOUNT)
            await self.db.execute(DELETE_SETUP_TOKEN)
            return not await self.has_accounts() and await self.add_account(new)

    async def setup_token(self) -> bytes | None:
        """Return the hash of the setup token, or None if no token is stored."""
        found: bytes | None = await self.db.value(SETUP_TOKEN)
        return found

    async def add_setup_token(self, hash: bytes) -> bool:
        """Store the hash. Return False if another process, started at the same time, has stored a hash already."""
        return bool(await self.db.execute(ADD_SETUP_TOKEN, hash))

    async def replace_setup_token(self, hash: bytes) -> None:
        await self.db.execute(REPLACE_SETUP_TOKEN, hash)

    async def add_account(self, new: Credentials) -> bool:
        """Add an account. Return False if the email is taken."""
        args = (new.id, new.email, new.name, new.password_hash, new.role, new.created_at)
        return bool(await self.db.execute(ADD_ACCOUNT, *args))

    async def account(self, id: str) -> Account | None:
        return await self.db.one(Account, ACCOUNT, id)

    async def accounts(self, ids: list[str]) -> list[Account]:
        return await self.db.all(Account, ACCOUNTS, ids)

    async def credentials(self, email: str) -> Credentials | None:
        return await self.db.one(Credentials, ACCOUNT_BY_EMAIL, email)

    async def add_session(self, new: Session, first: NewRefreshToken) -> None:
        args = (new.id, new.user_id, new.ip, new.agent, new.created_at, new.expires_at, first.hash, first.expires_at)
        await self.db.execute(ADD_SESSION, *args)

    async def session_alive(self, id: str, now: datetime) -> bool:
        return bool(await self.db.value(SESSION_ALIVE, id, now))

    async def addresses(self, email: str, limit: int) -> list[str]:
        """Return the IP addresses from which the account's latest sessions were opened."""
        return await self.db.value(ADDRESSES, email, limit) or []

    async def end_session(self, id: str, now: datetime, until: float) -> None:
        """End a session and tell all processes, in one transaction. Change nothing if it has ended already."""
        async with self.db.transaction():
            if await self.db.execute(END_SESSION, id, now):
                await self.feed.publish(RevokedKind.SESSION, id, until)

    async def refresh_token(self, hash: bytes) -> RefreshToken | None:
        return await self.db.one(RefreshToken, REFRESH_TOKEN, hash)

    async def rotate(self, hash: bytes, now: datetime, next: Pair, old_token: str) -> bool:
        """Mark a refresh token as used and add the next token. Return False if it was used or its session has ended.

        If two requests do this at once, the second request waits for the lock of the row, and then finds that the
        token was used.
        """
        new = next.stored()
        return bool(await self.db.execute(ROTATE, hash, now, next.sealed_with(old_token), new.hash, new.expires_at))

    async def forget_pairs(self, used_before: datetime) -> int:
        return await self.db.execute(FORGET_PAIRS, used_before)

    async def delete_over(self, before: datetime) -> None:
        """Delete the sessions and tokens that ended or expired before a time."""
        for statement in (DELETE_SESSIONS, DELETE_REFRESH_TOKENS, DELETE_EXPIRED_TOKENS):
            await self.db.delete_in_batches(statement, before)

    async def add_token(self, user: str, new: PersonalToken, hash: bytes, limit: int) -> bool:
        """Add a personal access token. Return False if the account has `limit` tokens already."""
        args = (new.id, user, new.name, list(new.scopes), hash, new.created_at, new.expires_at, limit)
        return bool(await self.db.execute(ADD_TOKEN, *args))

    async def tokens(self, user: str, limit: int) -> list[PersonalToken]:
        return await self.db.all(PersonalToken, TOKENS, user, limit)

    async def token_holder(self, hash: bytes) -> TokenHolder | None:
        return await self.db.one(TokenHolder, TOKEN_BY_HASH, hash)

    async def touch_token(self, id: str, now: datetime) -> None:
        await self.db.execute(TOUCH_TOKEN, id, now)

    async def delete_token(self, user: str, id: str, until: float) -> bool:
        async with self.db.transaction():
            if not await self.db.execute(DELETE_TOKEN, user, id):
                return False
            await self.feed.publish(RevokedKind.TOKEN, id, until)
            return True

    async def signing_keys(self) -> list[SealedKey]:
        """Return all signing keys, newest first."""
        return await self.db.all(SealedKey, KEYS)

    async def add_first_key(self, new: SealedKey) -> None:
        """Add a signing key, unless another process that started at the same time has added one."""
        async with self.db.transaction():
            await self.db.execute(LOCK, FIRST_KEY)
            if not await self.signing_keys():
                await self.db.execute(ADD_KEY, new.kid, new.sealed, new.created_at)
