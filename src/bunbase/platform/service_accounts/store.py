"""Service accounts and used assertions in PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from bunbase.contracts.caller import CallerKind
from bunbase.contracts.keys import KeyLimits, UsedKey
from bunbase.contracts.platform import KeyHolder
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.service_accounts import ServiceAccount
from bunbase.pkg.client_assertions import Assertion
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.opaque import fingerprint

LOCK_PROJECT = "SELECT true FROM projects WHERE id = $1 AND deleted_at IS NULL FOR UPDATE"
COUNT = "SELECT count(*) FROM service_accounts WHERE project = $1"
ADD = """
INSERT INTO service_accounts (id, project, name, scopes, hash, public_key, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
ACCOUNTS = """
SELECT id AS client_id, name, scopes, created_at, last_used_at, public_key FROM service_accounts
WHERE project = $1 ORDER BY id DESC LIMIT $2"""
CLIENT = """
SELECT service_accounts.id, project, scopes, hash, public_key FROM service_accounts
JOIN projects ON projects.id = project WHERE service_accounts.id = $1 AND deleted_at IS NULL"""
HOLDER = """
SELECT found.id, project, expires_at, scopes, allow_browser FROM (
    SELECT id, project, expires_at, scopes, allow_browser FROM keys
    WHERE project = $1 AND id = $2 AND kind = 'secret'
    UNION ALL
    SELECT id, project, NULL, scopes, false FROM service_accounts WHERE project = $1 AND id = $2
) AS found JOIN projects ON projects.id = project WHERE deleted_at IS NULL"""
DELETE = "DELETE FROM service_accounts WHERE project = $1 AND id = $2"
USE_ASSERTION = """
INSERT INTO used_assertions (account, hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"""
DELETE_ASSERTIONS = """
DELETE FROM used_assertions WHERE (account, hash) IN (
    SELECT account, hash FROM used_assertions WHERE expires_at < $1 LIMIT $2)"""
USED = """
UPDATE service_accounts SET last_used_at = greatest(last_used_at, to_timestamp(at))
FROM unnest($1::text[], $2::float8[]) AS used (account, at) WHERE id = account"""


class Client(msgspec.Struct, frozen=True):
    id: str
    project: str
    scopes: tuple[str, ...]
    hash: bytes | None
    public_key: dict[str, Any] | None


class _Holder(msgspec.Struct, frozen=True):
    id: str
    project: str
    expires_at: datetime | None
    scopes: tuple[str, ...] | None
    allow_browser: bool


class ServiceAccountStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def add(self, project: str, new: ServiceAccount, hash: bytes | None, limit: int) -> bool:
        """Add an account. Return False if the project has `limit` accounts, or is deleted."""
        async with self.db.transaction():
            alive = await self.db.value(LOCK_PROJECT, project)
            if not alive or await self.db.value(COUNT, project) >= limit:
                return False
            args = (new.client_id, project, new.name, list(new.scopes), hash, new.public_key, new.created_at)
            await self.db.execute(ADD, *args)
            return True

    async def of(self, project: str, limit: int) -> list[ServiceAccount]:
        return await self.db.all(ServiceAccount, ACCOUNTS, project, limit)

    async def client(self, id: str) -> Client | None:
        return await self.db.one(Client, CLIENT, id)

    async def holder(self, project: str, id: str) -> KeyHolder | None:
        """Return the limits of a secret key or a service account, or None if it does not exist."""
        found = await self.db.one(_Holder, HOLDER, project, id)
        if found is None:
            return None
        expires_at = 0.0 if found.expires_at is None else found.expires_at.timestamp()
        limits = KeyLimits(scopes=found.scopes, allow_browser=found.allow_browser)
        return KeyHolder(found.id, found.project, CallerKind.SECRET, expires_at, limits)

    async def delete(self, project: str, id: str, forget_at: float) -> bool:
        async with self.db.transaction():
            if not await self.db.execute(DELETE, project, id):
                return False
            await self.feed.publish(RevokedKind.KEY, id, forget_at)
            return True

    async def use_assertion(self, account: str, assertion: Assertion) -> bool:
        """Return True for the first use of an assertion, False for every later use."""
        expires_at = datetime.fromtimestamp(assertion.expires_at, UTC)
        return bool(await self.db.execute(USE_ASSERTION, account, fingerprint(assertion.id), expires_at))

    async def used(self, used: tuple[UsedKey, ...]) -> None:
        await self.db.execute(USED, [one.id for one in used], [one.at for one in used])

    async def delete_old_assertions(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_ASSERTIONS, before)
