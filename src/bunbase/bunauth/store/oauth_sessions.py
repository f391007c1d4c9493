"""The sessions of OpenID Connect clients, and the authorizations by people, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.bunauth.openid import Authorization
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed

ADD = "INSERT INTO oauth_sessions (session, client_id, scopes, signed_in_at, amr) VALUES ($1, $2, $3, $4, $5)"
OPEN = """
SELECT session, client_id, user_id, scopes, signed_in_at, amr FROM oauth_sessions
JOIN sessions ON sessions.id = session
WHERE session = $1 AND ended_at IS NULL AND expires_at > $2"""
GRANT = """
INSERT INTO oauth_grants (id, user_id, client_id, scopes, created_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT (user_id, client_id) DO UPDATE SET last_used_at = $5,
    scopes = ARRAY(SELECT unnest(oauth_grants.scopes) UNION SELECT unnest(excluded.scopes) ORDER BY 1)"""
GRANTED = "SELECT scopes FROM oauth_grants WHERE user_id = $1 AND client_id = $2"
GRANTS = """
SELECT oauth_grants.id, client_id, name AS client, first_party, scopes, oauth_grants.created_at, last_used_at
FROM oauth_grants JOIN oauth_clients ON oauth_clients.id = client_id
WHERE user_id = $1 ORDER BY oauth_grants.id DESC"""
DELETE_GRANT = "DELETE FROM oauth_grants WHERE user_id = $1 AND id = $2 RETURNING client_id"
END_SESSIONS = """
WITH ended AS (
    UPDATE sessions SET ended_at = $3 FROM oauth_sessions
    WHERE session = sessions.id AND user_id = $1 AND client_id = $2 AND ended_at IS NULL RETURNING sessions.id
)
SELECT array_agg(id) FROM ended"""


class ClientSession(msgspec.Struct, frozen=True):
    session: str
    client_id: str
    user_id: str
    scopes: tuple[str, ...]
    signed_in_at: datetime
    amr: tuple[str, ...]


class OAuthSessionStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def add(self, new: ClientSession) -> None:
        await self.db.execute(ADD, new.session, new.client_id, list(new.scopes), new.signed_in_at, list(new.amr))

    async def open(self, session: str, now: datetime) -> ClientSession | None:
        """Return the session of a client, or None if the session has ended or belongs to no client."""
        return await self.db.one(ClientSession, OPEN, session, now)

    async def grant(self, id: str, user: str, client: str, scopes: tuple[str, ...], now: datetime) -> None:
        """Store that a person allows these scopes, in addition to earlier scopes."""
        await self.db.execute(GRANT, id, user, client, list(scopes), now)

    async def granted(self, user: str, client: str) -> frozenset[str]:
        return frozenset(await self.db.value(GRANTED, user, client) or ())

    async def grants(self, user: str) -> list[Authorization]:
        return await self.db.all(Authorization, GRANTS, user)

    async def delete_grant(self, user: str, id: str) -> str | None:
        """Delete an authorization, and return its client. Return None if the account has no such authorization."""
        found: str | None = await self.db.value(DELETE_GRANT, user, id)
        return found

    async def end_all(self, user: str, client: str, now: datetime, until: float) -> None:
        """End the sessions of a client at an account, and tell all processes."""
        async with self.db.transaction():
            for id in await self.db.value(END_SESSIONS, user, client, now) or []:
                await self.feed.publish(RevokedKind.SESSION, id, until)
