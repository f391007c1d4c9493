"""SQL of the keys of projects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.caller import CallerKind
from bunbase.contracts.keys import KeyLimits, UsedKey
from bunbase.contracts.platform import Key
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed

LOCK_PROJECT = "SELECT true FROM projects WHERE id = $1 AND deleted_at IS NULL FOR UPDATE"
ADD_KEY = """
INSERT INTO keys (id, project, kind, name, hint, hash, created_at, expires_at, scopes, origins, allow_browser)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"""
COLUMNS: Final = "id, kind, name, hint, created_at, expires_at, scopes, origins, allow_browser, last_used_at"
KEYS = f"""
SELECT {COLUMNS} FROM keys
WHERE project = $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY id DESC LIMIT $3"""
COUNT_KEYS = "SELECT count(*) FROM keys WHERE project = $1 AND (expires_at IS NULL OR expires_at > $2)"
KEY = f"""
SELECT {COLUMNS} FROM keys
WHERE project = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > $3)"""
KEY_BY_HASH = """
SELECT keys.id, project, kind, expires_at, scopes, origins, allow_browser, suspended_at IS NOT NULL AS suspended
FROM keys JOIN projects ON projects.id = project
WHERE hash = $1 AND deleted_at IS NULL"""
LOCK_KEY = f"{KEY} FOR UPDATE"
UPDATE_KEY = """
UPDATE keys SET name = $3, scopes = $4, origins = $5, allow_browser = $6 WHERE project = $1 AND id = $2"""
KEYS_USED = """
UPDATE keys SET last_used_at = greatest(last_used_at, to_timestamp(at))
FROM unnest($1::text[], $2::float8[]) AS used (key_id, at) WHERE keys.id = key_id"""
DELETE_KEY = "DELETE FROM keys WHERE project = $1 AND id = $2"
EXPIRE_KEY = "UPDATE keys SET expires_at = least(coalesce(expires_at, $3), $3) WHERE project = $1 AND id = $2"
DELETE_EXPIRED = """
DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE expires_at < $1 LIMIT $2)"""


class KeyRow(msgspec.Struct, frozen=True):
    id: str
    project: str
    kind: CallerKind
    expires_at: datetime | None
    scopes: tuple[str, ...] | None
    origins: tuple[str, ...]
    allow_browser: bool
    suspended: bool


class NewKey(msgspec.Struct, frozen=True):
    """A key to store. `hash`: SHA-256 of the key."""

    id: str
    kind: CallerKind
    name: str
    hint: str
    hash: bytes
    created_at: datetime
    expires_at: datetime | None
    limits: KeyLimits


class KeyStore:
    def __init__(self, db: Database, feed: Feed[Revocation], clock: Clock, max_keys_per_project: int) -> None:
        self.db = db
        self.feed = feed
        self.clock = clock
        self.max_keys = max_keys_per_project

    async def add_first(self, project: str, keys: list[NewKey]) -> None:
        """Add the keys of a new project, inside the transaction that creates the project."""
        for key in keys:
            await self._insert_key(project, key)

    async def add(self, project: str, key: NewKey) -> bool:
        """Add a key. Return False if the project cannot have more keys, or is deleted."""
        async with self.db.transaction():
            if not await self._has_room(project):
                return False
            await self._insert_key(project, key)
            return True

    async def of(self, project: str) -> list[Key]:
        return await self.db.all(Key, KEYS, project, self.clock.now(), self.max_keys)

    async def find(self, project: str, id: str) -> Key | None:
        """Return the key with this id, or None if there is no such key or it has expired."""
        return await self.db.one(Key, KEY, project, id, self.clock.now())

    async def by_hash(self, hash: bytes) -> KeyRow | None:
        """Return the key, or None if there is no such key or its project is deleted."""
        return await self.db.one(KeyRow, KEY_BY_HASH, hash)

    async def update(self, project: str, id: str, change: Callable[[Key], Key], forget_at: float) -> Key | None:
        """Store `change(key)`, and let caches forget the key. Return None if there is no such key. Raises what `change`
        raises.
        """
        async with self.db.transaction():
            old = await self.db.one(Key, LOCK_KEY, project, id, self.clock.now())
            if old is None:
                return None
            new = change(old)
            scopes = None if new.scopes is None else list(new.scopes)
            await self.db.execute(UPDATE_KEY, project, id, new.name, scopes, list(new.origins), new.allow_browser)
            await self.feed.publish(RevokedKind.KEY, id, forget_at)
            return new

    async def used(self, used: Sequence[UsedKey]) -> None:
        await self.db.execute(KEYS_USED, [one.id for one in used], [one.at for one in used])

    async def delete(self, project: str, id: str, forget_at: float) -> bool:
        async with self.db.transaction():
            if not await self.db.execute(DELETE_KEY, project, id):
                return False
            await self.feed.publish(RevokedKind.KEY, id, forget_at)
            return True

    async def replace(self, project: str, old: str, new: NewKey, old_expires_at: datetime, forget_at: float) -> bool:
        """Add a key and let an old key expire. Return False if the project cannot have more keys, or is deleted."""
        async with self.db.transaction():
            if not await self._has_room(project):
                return False
            await self.db.execute(EXPIRE_KEY, project, old, old_expires_at)
            await self._insert_key(project, new)
            await self.feed.publish(RevokedKind.KEY, old, forget_at)
            return True

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED, before)

    async def _has_room(self, project: str) -> bool:
        """True if one more key may be added. Until the transaction ends, no other transaction can add a key."""
        alive = await self.db.value(LOCK_PROJECT, project)
        count: int = await self.db.value(COUNT_KEYS, project, self.clock.now())
        return bool(alive) and count < self.max_keys

    async def _insert_key(self, project: str, key: NewKey) -> None:
        limits = key.limits
        scopes = None if limits.scopes is None else list(limits.scopes)
        args = (key.id, project, key.kind, key.name, key.hint, key.hash, key.created_at, key.expires_at)
        await self.db.execute(ADD_KEY, *args, scopes, list(limits.origins), limits.allow_browser)
