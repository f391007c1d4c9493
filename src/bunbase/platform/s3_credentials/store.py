"""The credentials for S3 in PostgreSQL. Their secrets are sealed."""

from __future__ import annotations

import msgspec

from bunbase.contracts.keys import UsedKey
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.s3_credentials import Access, S3Credential
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed

LOCK_PROJECT = "SELECT true FROM projects WHERE id = $1 AND deleted_at IS NULL FOR UPDATE"
COUNT = "SELECT count(*) FROM s3_credentials WHERE project = $1"
ADD = """
INSERT INTO s3_credentials (id, project, name, access, buckets, secret, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
CREDENTIALS = """
SELECT id AS access_key_id, name, access, created_at, buckets, last_used_at FROM s3_credentials
WHERE project = $1 ORDER BY created_at DESC, id LIMIT $2"""
HOLDER = """
SELECT s3_credentials.id, project, access, buckets, secret, suspended_at IS NOT NULL AS suspended
FROM s3_credentials JOIN projects ON projects.id = project
WHERE s3_credentials.id = $1 AND deleted_at IS NULL"""
DELETE = "DELETE FROM s3_credentials WHERE project = $1 AND id = $2"
USED = """
UPDATE s3_credentials SET last_used_at = greatest(last_used_at, to_timestamp(at))
FROM unnest($1::text[], $2::float8[]) AS used (credential, at) WHERE id = credential"""


class SealedCredential(msgspec.Struct, frozen=True):
    """`secret`: sealed by BunKMS for the project."""

    id: str
    project: str
    access: Access
    buckets: tuple[str, ...]
    secret: str
    suspended: bool


class S3CredentialStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def add(self, project: str, new: S3Credential, sealed: str, limit: int) -> bool:
        """Add a credential. Return False if the project has `limit` credentials, or is deleted."""
        async with self.db.transaction():
            alive = await self.db.value(LOCK_PROJECT, project)
            if not alive or await self.db.value(COUNT, project) >= limit:
                return False
            args = (new.access_key_id, project, new.name, new.access, list(new.buckets), sealed, new.created_at)
            await self.db.execute(ADD, *args)
            return True

    async def of(self, project: str, limit: int) -> list[S3Credential]:
        return await self.db.all(S3Credential, CREDENTIALS, project, limit)

    async def sealed(self, id: str) -> SealedCredential | None:
        """Return a credential, or None if there is none or its project is deleted."""
        return await self.db.one(SealedCredential, HOLDER, id)

    async def delete(self, project: str, id: str, forget_at: float) -> bool:
        async with self.db.transaction():
            if not await self.db.execute(DELETE, project, id):
                return False
            await self.feed.publish(RevokedKind.KEY, id, forget_at)
            return True

    async def used(self, used: tuple[UsedKey, ...]) -> None:
        await self.db.execute(USED, [one.id for one in used], [one.at for one in used])
