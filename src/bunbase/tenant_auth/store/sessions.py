"""Sessions, their refresh tokens, and used custom tokens in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from bunbase.contracts.caller import EndUser
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.tenant_auth.problems import CustomTokenUsed
from bunbase.contracts.tenant_auth.sessions import OwnSession, UserSession
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.sessions import Pair, RefreshToken, Session
from bunbase.tenant_auth.access_tokens import Subject, Voucher
from bunbase.tenant_auth.sign_in_methods import CUSTOM_TOKEN, PASSWORD, Checked, SignInMethod

# ADD_SESSION and ROTATE first lock the row of the user, and so does every change of a user. ADD_SESSION also writes the
# time of the sign-in to this row, except for impersonated sessions. If a change holds the lock, these statements wait,
# and then find another version of the user. So no session gets a token with outdated content. Deadlocks are impossible,
# because all statements lock in the same order.
ADD_SESSION = """
WITH person AS (
    UPDATE users SET last_sign_in_at = CASE WHEN $14::json IS NULL THEN $7 ELSE last_sign_in_at END
    WHERE project = $1 AND id = $2 AND version = $3 RETURNING id
),
session AS (
    INSERT INTO sessions (project, user_id, id, ip, agent, created_at, last_used_at, expires_at, claims, amr, aal,
        provider, proved_at, act)
    SELECT $1, id, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12, $13, $14 FROM person RETURNING id
)
INSERT INTO refresh_tokens (project, hash, session, expires_at, issued_at) SELECT $1, $15, id, $16, $7 FROM session"""
# An impersonated session has no refresh token, and no proof of the user.
ADD_IMPERSONATED = """
INSERT INTO sessions (project, user_id, id, ip, agent, created_at, last_used_at, expires_at, amr, aal, provider, act)
SELECT $1, id, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12 FROM users
WHERE project = $1 AND id = $2 AND version = $3 FOR SHARE"""
ALIVE = """
SELECT EXISTS (
    SELECT FROM sessions JOIN users ON users.project = sessions.project AND users.id = user_id
    WHERE sessions.project = $1 AND sessions.id = $2 AND version = $3 AND ended_at IS NULL AND expires_at > $4
)"""
SESSIONS = """
SELECT id, ip, agent, created_at, last_used_at, expires_at, aal, provider, act ->> 'sub' AS impersonated_by,
    id = $6 AS current
FROM sessions
WHERE project = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3 AND ($4 = '' OR id < $4)
ORDER BY id DESC LIMIT $5"""
ADDRESSES = """
SELECT array_agg(DISTINCT ip) FROM (
    SELECT ip FROM sessions
    WHERE project = $1 AND act IS NULL
        AND user_id = (SELECT id FROM users WHERE project = $1 AND (email = $2 OR phone = $2))
    ORDER BY id DESC LIMIT $3
) AS latest"""
USER_OF = "SELECT user_id FROM sessions WHERE project = $1 AND id = $2 AND ended_at IS NULL AND expires_at > $3"
END_SESSION = "UPDATE sessions SET ended_at = $3 WHERE project = $1 AND id = $2 AND ended_at IS NULL"
END_OWN = """
UPDATE sessions SET ended_at = $4 WHERE project = $1 AND user_id = $2 AND id = $3 AND ended_at IS NULL"""
END_OTHERS = """
WITH ended AS (
    UPDATE sessions SET ended_at = $4
    WHERE project = $1 AND user_id = $2 AND id <> $3 AND ended_at IS NULL AND expires_at > $4
    RETURNING id
)
SELECT array_agg(id) FROM ended"""
END_ALL = """
UPDATE sessions SET ended_at = $3 WHERE project = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3"""
END_OLDEST = """
WITH ended AS (
    UPDATE sessions SET ended_at = $4
    WHERE project = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $4 AND act IS NULL AND id NOT IN (
        SELECT id FROM sessions
        WHERE project = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $4 AND act IS NULL
        ORDER BY created_at DESC, id DESC LIMIT $3)
    RETURNING id
)
SELECT array_agg(id) FROM ended"""
REFRESH_TOKEN = """
SELECT session, user_id, tokens.expires_at, used_at, sealed_pair,
    sessions.expires_at AS session_expires_at, ended_at AS session_ended_at, claims,
    child_used_at IS NOT NULL AS child_used, child_used_at, issued_at, generation, amr, aal, provider, act
FROM refresh_tokens AS tokens JOIN sessions ON sessions.project = tokens.project AND sessions.id = session
WHERE tokens.project = $1 AND hash = $2"""
ROTATE = """
WITH person AS (SELECT id FROM users WHERE project = $1 AND id = $2 AND version = $3 FOR SHARE),
used AS (
    UPDATE refresh_tokens SET used_at = $5, sealed_pair = $6
    WHERE project = $1 AND hash = $4 AND used_at IS NULL AND EXISTS (SELECT FROM person)
        AND EXISTS (SELECT FROM sessions WHERE project = $1 AND sessions.id = session AND ended_at IS NULL)
    RETURNING session, generation
),
closed AS (
    UPDATE refresh_tokens AS older SET child_used_at = $5 FROM used
    WHERE older.project = $1 AND older.session = used.session AND older.generation < used.generation
        AND older.used_at IS NOT NULL AND older.child_used_at IS NULL
),
touched AS (UPDATE sessions SET last_used_at = $5 FROM used WHERE project = $1 AND sessions.id = used.session)
INSERT INTO refresh_tokens (project, hash, session, expires_at, generation, issued_at)
SELECT $1, $7, session, $8, generation + 1, $5 FROM used"""
NOTE_USE = """
UPDATE refresh_tokens SET child_used_at = $4
WHERE project = $1 AND session = $2 AND generation < $3 AND used_at IS NOT NULL AND child_used_at IS NULL"""
ADD_CHECKS = """
UPDATE sessions SET aal = greatest(aal, $4), amr = amr || ARRAY(
    SELECT name FROM unnest($3::text[]) WITH ORDINALITY AS new (name, place) WHERE name <> ALL (amr) ORDER BY place)
WHERE project = $1 AND id = $2 AND ended_at IS NULL AND expires_at > $5
RETURNING claims, amr, aal, provider, act, expires_at"""
USE_CUSTOM_TOKEN = """
INSERT INTO used_custom_tokens (project, id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"""

FORGET_PAIRS = """
UPDATE refresh_tokens SET sealed_pair = NULL
WHERE sealed_pair IS NOT NULL AND child_used_at IS NOT NULL AND used_at <= $1"""
DELETE_SESSIONS = """
DELETE FROM sessions WHERE (project, id) IN
    (SELECT project, id FROM sessions WHERE coalesce(ended_at, expires_at) < $1 LIMIT $2)"""
DELETE_REFRESH_TOKENS = """
DELETE FROM refresh_tokens WHERE (project, hash) IN
    (SELECT project, hash FROM refresh_tokens WHERE expires_at < $1 LIMIT $2)"""
DELETE_CUSTOM_TOKENS = """
DELETE FROM used_custom_tokens WHERE (project, id) IN
    (SELECT project, id FROM used_custom_tokens WHERE expires_at < $1 LIMIT $2)"""


class NewSession(msgspec.Struct, frozen=True):
    """A session to store.

    `version`: the user's version in the session's tokens. `claims`: claims in addition to the user's own claims.
    `method`: the method with which the user signed in. `proved`: the user has just proved to own the account. `act`:
    the administrator who uses the session in the user's place.
    """

    session: Session
    version: int
    pair: Pair
    claims: dict[str, Any] = {}
    method: SignInMethod = PASSWORD
    proved: bool = True
    act: dict[str, Any] | None = None


class SessionContent(msgspec.Struct, frozen=True):
    """The data of a session that its access tokens contain."""

    expires_at: datetime
    claims: dict[str, Any] = msgspec.field(default_factory=dict)
    amr: tuple[str, ...] = ()
    aal: int = 1
    provider: str = ""
    act: dict[str, Any] | None = None

    def subject(self, session: str, user: User, version: int, generation: int) -> Subject:
        """Return the content of an access token of the session."""
        method = SignInMethod(self.amr, self.provider, self.aal, vouched=self.provider == CUSTOM_TOKEN.provider)
        return Subject(user, version, session, self.claims, generation, method, self.act)


class StoredToken(RefreshToken, frozen=True):
    """A stored refresh token. `issued_at`: None in rows of older releases. `child_used_at`: the time when the pair that
    replaced this token was first used.

    The other fields belong to the token's session.
    """

    issued_at: datetime | None = None
    child_used_at: datetime | None = None
    claims: dict[str, Any] = msgspec.field(default_factory=dict)
    amr: tuple[str, ...] = ()
    aal: int = 1
    provider: str = ""
    act: dict[str, Any] | None = None

    def subject(self, user: User, version: int, generation: int) -> Subject:
        """Return the content of an access token of the session."""
        content = SessionContent(self.session_expires_at, self.claims, self.amr, self.aal, self.provider, self.act)
        return content.subject(self.session, user, version, generation)


class SessionStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def add(self, project: str, new: NewSession) -> bool:
        """Add a session. Return False if the user has another version meanwhile, or was deleted."""
        one, first = new.session, new.pair.stored()
        method, proved_at = new.method, one.created_at if new.proved else None
        session = (one.id, one.ip, one.agent, one.created_at, one.expires_at, new.claims)
        how = (list(method.amr), method.aal, method.provider, proved_at, new.act)
        args = (one.user_id, new.version, *session, *how, first.hash, first.expires_at)
        return bool(await self.db.execute(ADD_SESSION, project, *args))

    async def add_impersonated(self, project: str, one: Session, of: Subject) -> bool:
        """Add the session of an administrator in the user's place. Return False in the same cases as `add`."""
        method, session = of.method, (one.id, one.ip, one.agent, one.created_at, one.expires_at)
        how = (list(method.amr), method.aal, method.provider, of.act)
        return bool(await self.db.execute(ADD_IMPERSONATED, project, one.user_id, of.version, *session, *how))

    async def use_custom_token(self, project: str, voucher: Voucher) -> None:
        """Mark a custom token as used. Call this in the transaction that adds its session. Raises: CustomTokenUsed."""
        if not await self.db.execute(USE_CUSTOM_TOKEN, project, voucher.id, voucher.expires_at):
            raise CustomTokenUsed("A custom token signs in only once. Ask your server for a new token.")

    async def alive(self, project: str, id: str, version: int, now: datetime) -> bool:
        return bool(await self.db.value(ALIVE, project, id, version, now))

    async def user_of(self, project: str, id: str, now: datetime) -> str | None:
        """Return the id of the user of an open session."""
        found: str | None = await self.db.value(USER_OF, project, id, now)
        return found

    async def page(self, project: str, user: str, now: datetime, before: str, limit: int) -> list[UserSession]:
        """Return a user's open sessions, newest first.

        If `before` is not empty, return only sessions older than this id.
        """
        return await self.db.all(UserSession, SESSIONS, project, user, now, before, limit, "")

    async def own_page(self, project: str, user: EndUser, now: datetime, before: str, limit: int) -> list[OwnSession]:
        """Return the open sessions of a signed-in user, in the same way as `page`."""
        return await self.db.all(OwnSession, SESSIONS, project, user.uid, now, before, limit, user.session)

    async def addresses(self, project: str, account: str, limit: int) -> list[str]:
        """Return the IP addresses from which the user's latest sessions were opened.

        `account`: an address or a number.
        """
        return await self.db.value(ADDRESSES, project, account, limit) or []

    async def end(self, project: str, id: str, now: datetime, until: float) -> bool:
        """End a session and tell all processes, in one transaction. Return False if it has ended already."""
        async with self.db.transaction():
            if not await self.db.execute(END_SESSION, project, id, now):
                return False
            await self.feed.publish(RevokedKind.SESSION, id, until)
            return True

    async def end_own(self, project: str, user: str, id: str, now: datetime, until: float) -> bool:
        """End a session of a user, in the same way as `end`. Return False if the user has no such open session."""
        async with self.db.transaction():
            if not await self.db.execute(END_OWN, project, user, id, now):
                return False
            await self.feed.publish(RevokedKind.SESSION, id, until)
            return True

    async def end_others(self, project: str, user: str, keep: str, now: datetime, until: float) -> list[str]:
        """End all open sessions of a user except the session `keep`. Tell all processes.

        Return the ids of the ended sessions.
        """
        async with self.db.transaction():
            ended: list[str] = await self.db.value(END_OTHERS, project, user, keep, now) or []
            for id in ended:
                await self.feed.publish(RevokedKind.SESSION, id, until)
            return ended

    async def end_oldest(self, project: str, user: str, keep: int, now: datetime, until: float) -> list[str]:
        """End the open sessions of a user except the newest `keep` sessions. Tell all processes.

        Return the ids of the ended sessions.
        """
        ended: list[str] = await self.db.value(END_OLDEST, project, user, keep, now) or []
        for id in ended:
            await self.feed.publish(RevokedKind.SESSION, id, until)
        return ended

    async def end_all(self, project: str, user: str, now: datetime) -> None:
        """End all sessions of a user. The caller publishes the user's new version, which ends the access tokens."""
        await self.db.execute(END_ALL, project, user, now)

    async def refresh_token(self, project: str, hash: bytes) -> StoredToken | None:
        return await self.db.one(StoredToken, REFRESH_TOKEN, project, hash)

    async def rotate(self, project: str, old_token: str, of: Subject, next: Pair, now: datetime) -> bool:
        """Mark a refresh token as used and add the next token.

        Return False if the token was used, if its session has ended, or if the user has another version now. If two
        requests run this at the same time, the second request waits for the lock of the row, and then finds that the
        token is used.
        """
        old, new, sealed = fingerprint(old_token), next.stored(), next.sealed_with(old_token)
        args = (of.user.id, of.version, old, now, sealed, new.hash, new.expires_at)
        return bool(await self.db.execute(ROTATE, project, *args))

    async def note_use(self, project: str, session: str, generation: int, now: datetime) -> None:
        """Record that a token of this generation was used. Older refresh tokens then no longer return their pair."""
        await self.db.execute(NOTE_USE, project, session, generation, now)

    async def add_checks(self, project: str, id: str, checked: Checked, now: datetime) -> SessionContent | None:
        """Add checks to an open session. Return the session's content, or None if the session has ended."""
        return await self.db.one(SessionContent, ADD_CHECKS, project, id, list(checked.amr), checked.aal, now)

    async def forget_pairs(self, used_before: datetime) -> int:
        return await self.db.execute(FORGET_PAIRS, used_before)

    async def delete_over(self, before: datetime) -> None:
        """Delete the sessions and tokens that ended or expired before a time."""
        for statement in (DELETE_SESSIONS, DELETE_REFRESH_TOKENS, DELETE_CUSTOM_TOKENS):
            await self.db.delete_in_batches(statement, before)
