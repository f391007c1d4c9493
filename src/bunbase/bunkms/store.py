"""Store keys in PostgreSQL. Every key is wrapped with the master key."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.bunkms import PublicKey, SigningAlgorithm
from bunbase.pkg.db.database import Database

OWNER = "SELECT owner, destroyed_at FROM owners WHERE owner = $1"
ADD_OWNER = "INSERT INTO owners (owner) VALUES ($1) ON CONFLICT DO NOTHING"
LOCK_OWNER = "SELECT owner, destroyed_at FROM owners WHERE owner = $1 FOR UPDATE"
MARK_DESTROYED = "UPDATE owners SET destroyed_at = coalesce(destroyed_at, now()) WHERE owner = $1"

NEWEST = "SELECT version, wrapped FROM key_versions WHERE owner = $1 ORDER BY version DESC LIMIT 1"
VERSION = "SELECT version, wrapped FROM key_versions WHERE owner = $1 AND version = $2"
ADD_VERSION = "INSERT INTO key_versions (owner, version, wrapped) VALUES ($1, $2, $3)"
DELETE_VERSIONS = "DELETE FROM key_versions WHERE owner = $1"

SIGNING = """
SELECT kid, n, e, x, y, algorithm, wrapped, signs_at FROM signing_keys WHERE owner = $1
ORDER BY signs_at DESC, kid"""
ADD_SIGNING = """
INSERT INTO signing_keys (owner, kid, n, e, x, y, algorithm, wrapped, signs_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""
DELETE_OLD_SIGNING = "DELETE FROM signing_keys WHERE owner = $1 AND kid = ANY ($2)"
DELETE_SIGNING = "DELETE FROM signing_keys WHERE owner = $1"

BIND_DIRECTORY = """
INSERT INTO directories (room, directory) VALUES ($1, $2)
ON CONFLICT (room) DO UPDATE SET directory = excluded.directory, bound_at = now() WHERE directories.directory = $3"""
DIRECTORY = "SELECT directory FROM directories WHERE room = $1"


class OwnerRow(msgspec.Struct, frozen=True):
    owner: str
    destroyed_at: datetime | None


class KeyVersion(msgspec.Struct, frozen=True):
    version: int
    wrapped: bytes


class SigningKey(msgspec.Struct, frozen=True):
    """A stored signing key. `signs_at`: the time from which this key signs instead of older keys."""

    kid: str
    n: str
    e: str
    x: str
    y: str
    algorithm: SigningAlgorithm
    wrapped: bytes
    signs_at: datetime

    def public(self) -> PublicKey:
        return PublicKey(self.kid, self.n, self.e, self.x, self.y, self.algorithm)


class KeyStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def owner(self, owner: str) -> OwnerRow | None:
        return await self.db.one(OwnerRow, OWNER, owner)

    async def add_owner(self, owner: str, first: KeyVersion) -> bool:
        """Add an owner and its first key version. Return False if the owner exists, even if its keys are destroyed."""
        async with self.db.transaction():
            if not await self.db.execute(ADD_OWNER, owner):
                return False
            await self.db.execute(ADD_VERSION, owner, first.version, first.wrapped)
            return True

    async def newest(self, owner: str) -> KeyVersion | None:
        return await self.db.one(KeyVersion, NEWEST, owner)

    async def version(self, owner: str, version: int) -> KeyVersion | None:
        return await self.db.one(KeyVersion, VERSION, owner, version)

    async def add_version(self, owner: str, next: KeyVersion) -> bool:
        """Add a key version.

        Return False if another process has just added the same version, or if the owner's keys are destroyed.
        """
        async with self.db.transaction():
            held = await self.db.one(OwnerRow, LOCK_OWNER, owner)
            newest = await self.newest(owner)
            if held is None or newest is None or newest.version != next.version - 1:
                return False
            await self.db.execute(ADD_VERSION, owner, next.version, next.wrapped)
            return True

    async def signing_keys(self, owner: str) -> list[SigningKey]:
        """Return all signing keys of an owner, newest first."""
        return await self.db.all(SigningKey, SIGNING, owner)

    async def add_signing_key(self, owner: str, key: SigningKey, known: list[SigningKey], old: list[str]) -> bool:
        """Add a signing key, and delete the keys in `old`.

        Do nothing and return False if the owner now has other keys than `known`, or if its keys are destroyed.
        """
        async with self.db.transaction():
            held = await self.db.one(OwnerRow, LOCK_OWNER, owner)
            if held is None or held.destroyed_at is not None or await self.signing_keys(owner) != known:
                return False
            public = (key.n, key.e, key.x, key.y, key.algorithm)
            await self.db.execute(ADD_SIGNING, owner, key.kid, *public, key.wrapped, key.signs_at)
            await self.db.execute(DELETE_OLD_SIGNING, owner, old)
            return True

    async def bind_directory(self, room: str, directory: str, replaces: str) -> str:
        """Bind a directory to a room, if no directory is bound to the room, or if `replaces` is bound.

        Return the directory that is bound afterwards.
        """
        async with self.db.transaction():
            await self.db.execute(BIND_DIRECTORY, room, directory, replaces)
            bound: str = await self.db.value(DIRECTORY, room)
            return bound

    async def destroy(self, owner: str) -> None:
        async with self.db.transaction():
            await self.db.execute(ADD_OWNER, owner)
            await self.db.execute(MARK_DESTROYED, owner)
            await self.db.execute(DELETE_VERSIONS, owner)
            await self.db.execute(DELETE_SIGNING, owner)
