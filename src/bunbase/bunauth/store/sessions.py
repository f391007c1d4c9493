"""Sessions and their refresh tokens in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.bunauth.accounts import AccountSession
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.sessions import NewRefreshToken, Pair, RefreshToken, Session

# This statement locks the row of the account, and so does every change of its credentials. So a sign-in with an old
# password opens no session after the change: the sign-in waits for the change, and then finds another version.
ADD_SESSION = """
WITH account AS (SELECT id FROM users WHERE id = $2 AND version = $10 AND suspended_at IS NULL FOR SHARE),
session AS (
    INSERT INTO sessions (id, user_id, ip, agent, created_at, last_used_at, expires_at, proved_at)
    SELECT $1, id, $3, $4, $5, $5, $6, $9 FROM account RETURNING id
)
INSERT INTO refresh_tokens (hash, session, expires_at) SELECT $7, id, $8 FROM session"""
SESSION_ALIVE = "SELECT EXISTS (SELECT FROM sessions WHERE id = $1 AND ended_at IS NULL AND expires_at > $2)"
SESSION = (
    "SELECT user_id, proved_at, failed_proofs FROM sessions WHERE id = $1 AND ended_at IS NULL AND expires_at > $2"
)
SESSIONS = """
SELECT sessions.id, ip, agent, sessions.created_at, last_used_at, expires_at, sessions.id = $2 AS current,
    CASE WHEN oauth_clients.name IS NOT NULL THEN oauth_clients.name
        WHEN EXISTS (SELECT FROM page_sessions WHERE session = sessions.id) THEN 'Sign-in page'
        ELSE '' END AS client
FROM sessions
    LEFT JOIN oauth_sessions ON session = sessions.id
    LEFT JOIN oauth_clients ON oauth_clients.id = client_id
WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $3 AND ($4 = '' OR sessions.id < $4)
ORDER BY sessions.id DESC LIMIT $5"""
PROVE = "UPDATE sessions SET proved_at = $2, failed_proofs = 0 WHERE id = $1"
FAIL_PROOF = "UPDATE sessions SET failed_proofs = failed_proofs + 1 WHERE id = $1 RETURNING failed_proofs"
ADDRESSES = """
SELECT array_agg(DISTINCT ip) FROM (
    SELECT ip FROM sessions WHERE user_id = (SELECT id FROM users WHERE email = $1) ORDER BY id DESC LIMIT $2
) AS latest"""
END_SESSION = "UPDATE sessions SET ended_at = $3 WHERE user_id = $1 AND id = $2 AND ended_at IS NULL"
END_SESSIONS = """
WITH ended AS (
    UPDATE sessions SET ended_at = $3 WHERE user_id = $1 AND id <> $2 AND ended_at IS NULL AND expires_at > $3
    RETURNING id
)
SELECT array_agg(id) FROM ended"""
REFRESH_TOKEN = """
SELECT session, user_id, refresh_tokens.expires_at, used_at, sealed_pair,
    sessions.expires_at AS session_expires_at, ended_at AS session_ended_at,
    child_used_at IS NOT NULL AS child_used, generation
FROM refresh_tokens JOIN sessions ON sessions.id = session
WHERE hash = $1 AND coalesce((SELECT client_id FROM oauth_sessions WHERE session = sessions.id), '') = $2"""
ROTATE = """
WITH used AS (
    UPDATE refresh_tokens SET used_at = $2, sealed_pair = $3
    WHERE hash = $1 AND used_at IS NULL
        AND EXISTS (SELECT FROM sessions WHERE sessions.id = session AND ended_at IS NULL)
    RETURNING session, generation
),
closed AS (
    UPDATE refresh_tokens SET child_used_at = $2 FROM used
    WHERE refresh_tokens.session = used.session AND refresh_tokens.generation < used.generation
        AND used_at IS NOT NULL AND child_used_at IS NULL
),
touched AS (UPDATE sessions SET last_used_at = $2 FROM used WHERE sessions.id = used.session)
INSERT INTO refresh_tokens (hash, session, expires_at, generation) SELECT $4, session, $5, generation + 1 FROM used"""
NOTE_USE = """
UPDATE refresh_tokens SET child_used_at = $3
WHERE session = $1 AND generation < $2 AND used_at IS NOT NULL AND child_used_at IS NULL"""
FORGET_PAIRS = """
UPDATE refresh_tokens SET sealed_pair = NULL
WHERE sealed_pair IS NOT NULL AND child_used_at IS NOT NULL AND used_at <= $1"""
DELETE_SESSIONS = """
DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE coalesce(ended_at, expires_at) < $1 LIMIT $2)"""
DELETE_REFRESH_TOKENS = """
DELETE FROM refresh_tokens WHERE hash IN (SELECT hash FROM refresh_tokens WHERE expires_at < $1 LIMIT $2)"""


class OpenSession(msgspec.Struct, frozen=True):
    """An open session. `proved_at`: the last proof in this session that the caller owns the account, or None."""

    user_id: str
    proved_at: datetime | None
    failed_proofs: int


class SessionStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def add(self, new: Session, first: NewRefreshToken, proved_at: datetime | None, version: int) -> bool:
        """Add a session. Return False if the account is suspended, or if its credentials have another version now."""
        args = (new.id, new.user_id, new.ip, new.agent, new.created_at, new.expires_at, first.hash, first.expires_at)
        return bool(await self.db.execute(ADD_SESSION, *args, proved_at, version))

    async def alive(self, id: str, now: datetime) -> bool:
        return bool(await self.db.value(SESSION_ALIVE, id, now))

    async def open_session(self, id: str, now: datetime) -> OpenSession | None:
        return await self.db.one(OpenSession, SESSION, id, now)

    async def page(self, user: str, current: str, now: datetime, before: str, limit: int) -> list[AccountSession]:
        """Return an account's open sessions, newest first.

        If `before` is not empty, return only sessions older than this id.

        `current`: the id of the caller's session.
        """
        return await self.db.all(AccountSession, SESSIONS, user, current, now, before, limit)

    async def prove(self, id: str, now: datetime) -> None:
        await self.db.execute(PROVE, id, now)

    async def fail_proof(self, id: str) -> int:
        """Count a failed proof. Return the number of failed proofs since the last right proof."""
        failed: int | None = await self.db.value(FAIL_PROOF, id)
        return failed or 0

    async def addresses(self, email: str, limit: int) -> list[str]:
        """Return the IP addresses from which the account's latest sessions were opened."""
        return await self.db.value(ADDRESSES, email, limit) or []

    async def end(self, user: str, id: str, now: datetime, until: float) -> bool:
        """End a session and tell all processes, in one transaction.

        Return False and change nothing if the account has no such session, or if the session has ended already.
        """
        async with self.db.transaction():
            if not await self.db.execute(END_SESSION, user, id, now):
                return False
            await self.feed.publish(RevokedKind.SESSION, id, until)
            return True

    async def end_all(self, user: str, now: datetime, until: float, keep: str = "") -> None:
        """End all open sessions of an account except the session `keep`, and tell all processes."""
        async with self.db.transaction():
            for id in await self.db.value(END_SESSIONS, user, keep, now) or []:
                await self.feed.publish(RevokedKind.SESSION, id, until)

    async def refresh_token(self, hash: bytes, client: str = "") -> RefreshToken | None:
        """Return a refresh token of this OpenID Connect client. `client`: "" for a person's own session."""
        return await self.db.one(RefreshToken, REFRESH_TOKEN, hash, client)

    async def rotate(self, hash: bytes, now: datetime, next: Pair, old_token: str) -> bool:
        """Mark a refresh token as used and add the next token. Return False if it was used or its session has ended.

        If two requests run this at the same time, the second request waits for the lock of the row, and then finds that
        the token is used.
        """
        new = next.stored()
        return bool(await self.db.execute(ROTATE, hash, now, next.sealed_with(old_token), new.hash, new.expires_at))

    async def note_use(self, session: str, generation: int, now: datetime) -> None:
        """Record that a token of this generation was used. Older refresh tokens then no longer return their pair."""
        await self.db.execute(NOTE_USE, session, generation, now)

    async def forget_pairs(self, used_before: datetime) -> int:
        return await self.db.execute(FORGET_PAIRS, used_before)

    async def delete_over(self, before: datetime) -> None:
        """Delete the sessions and tokens that ended or expired before a time."""
        for statement in (DELETE_SESSIONS, DELETE_REFRESH_TOKENS):
            await self.db.delete_in_batches(statement, before)
