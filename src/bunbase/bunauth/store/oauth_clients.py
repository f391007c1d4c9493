"""OpenID Connect clients in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.bunauth.openid import ClientKind, OAuthClient
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed

# The deletion of 90,000 sessions in one statement took 5.8 s (measured). The time limit of a statement is 10 s.
SESSIONS_AT_ONCE: Final = 5000

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('bunauth: oauth clients', 0))"
ADD = """
INSERT INTO oauth_clients (id, name, redirect_uris, first_party, secret_hash, created_at)
SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM oauth_clients) < $7"""
STORED = "SELECT id, name, redirect_uris, first_party, secret_hash, created_at, rotated_at FROM oauth_clients "
CLIENTS = STORED + "ORDER BY id DESC LIMIT $1"
CLIENT = STORED + "WHERE id = $1"
USING = "SELECT EXISTS (SELECT FROM oauth_clients WHERE id = $1 FOR SHARE)"
LOCK_CLIENT = "SELECT id FROM oauth_clients WHERE id = $1 FOR UPDATE"
ROTATE = "UPDATE oauth_clients SET secret_hash = $2, rotated_at = $3 WHERE id = $1 AND secret_hash IS NOT NULL"
DELETE_SESSIONS = """
WITH deleted AS (
    DELETE FROM sessions WHERE id IN (SELECT session FROM oauth_sessions WHERE client_id = $1 LIMIT $2)
    RETURNING id, ended_at
)
SELECT array_agg(id) FILTER (WHERE ended_at IS NULL) AS open, count(*) AS deleted FROM deleted"""
DELETE = "DELETE FROM oauth_clients WHERE id = $1"


class DeletedSessions(msgspec.Struct, frozen=True):
    """The result of one deletion.

    `open`: the ids of the deleted sessions that were still open; None if nothing was deleted.
    """

    open: tuple[str, ...] | None
    deleted: int


class StoredClient(msgspec.Struct, frozen=True):
    """A client. `secret_hash`: None for a public client."""

    id: str
    name: str
    redirect_uris: tuple[str, ...]
    first_party: bool
    secret_hash: bytes | None
    created_at: datetime
    rotated_at: datetime | None = None

    @property
    def kind(self) -> ClientKind:
        return ClientKind.PUBLIC if self.secret_hash is None else ClientKind.CONFIDENTIAL

    def shown(self, secret: str | None = None) -> OAuthClient:
        """Return the client as administrators see it. `secret`: set only if the secret was made just now."""
        first, made = self.first_party, self.created_at
        return OAuthClient(self.id, self.name, self.kind, self.redirect_uris, made, first, self.rotated_at, secret)


class OAuthClientStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def add(self, new: StoredClient, limit: int) -> bool:
        """Add a client. Return False if `limit` clients already exist."""
        uris = list(new.redirect_uris)
        async with self.db.transaction():
            await self.db.execute(LOCK)
            args = (new.id, new.name, uris, new.first_party, new.secret_hash, new.created_at)
            return bool(await self.db.execute(ADD, *args, limit))

    async def newest(self, limit: int) -> list[StoredClient]:
        return await self.db.all(StoredClient, CLIENTS, limit)

    async def find(self, id: str) -> StoredClient | None:
        return await self.db.one(StoredClient, CLIENT, id)

    async def keep(self, id: str) -> bool:
        """True if the client exists. The client cannot be deleted until the transaction ends."""
        return bool(await self.db.value(USING, id))

    async def rotate(self, id: str, secret_hash: bytes, now: datetime) -> bool:
        """Replace the secret. Return False for a public client."""
        return bool(await self.db.execute(ROTATE, id, secret_hash, now))

    async def delete(self, id: str, until: float) -> bool:
        """Delete a client with its sessions, and tell all processes. Return False if the client does not exist."""
        async with self.db.transaction():
            if await self.db.value(LOCK_CLIENT, id) is None:
                return False
            while await self._delete_sessions(id, until) == SESSIONS_AT_ONCE:
                pass
            return bool(await self.db.execute(DELETE, id))

    async def _delete_sessions(self, id: str, until: float) -> int:
        """Delete sessions of a client. Return the number of deleted sessions, at most SESSIONS_AT_ONCE."""
        (batch,) = await self.db.all(DeletedSessions, DELETE_SESSIONS, id, SESSIONS_AT_ONCE)
        await self.feed.publish_all(RevokedKind.SESSION, batch.open or (), until)
        return batch.deleted
