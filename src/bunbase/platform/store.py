"""Projects, members and keys in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from bunbase.contracts.caller import CallerKind
from bunbase.contracts.keys import KeyLimits, UsedKey
from bunbase.contracts.platform import Key, Membership, Project
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.db.outbox import Outbox
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.mail.outbox import MailOutbox

PROJECT_DELETED = "project_deleted"

ADD_PROJECT = "INSERT INTO projects (id, name, slug, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (slug) DO NOTHING"
ADD_MEMBER = "INSERT INTO members (project, developer, role, created_at) VALUES ($1, $2, $3, $4)"
LOCK_DEVELOPER = "SELECT pg_advisory_xact_lock(hashtextextended('platform projects ' || $1, 0))"
COUNT_PROJECTS = """
SELECT count(*) FROM members JOIN projects ON projects.id = project WHERE developer = $1 AND deleted_at IS NULL"""
PROJECT = """
SELECT id, name, slug, role, projects.created_at FROM projects JOIN members ON members.project = projects.id
WHERE developer = $2 AND deleted_at IS NULL AND (id = $1 OR slug = $1)"""
PROJECTS = """
SELECT id, name, slug, role, projects.created_at FROM projects JOIN members ON members.project = projects.id
WHERE developer = $1 AND deleted_at IS NULL AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3"""
PROJECT_OF_SLUG = "SELECT id FROM projects WHERE slug = $1 AND deleted_at IS NULL"
NAME = "SELECT name FROM projects WHERE id = $1 AND deleted_at IS NULL"
RENAME = "UPDATE projects SET name = $2 WHERE id = $1 AND deleted_at IS NULL"
LOCK_PROJECT = "SELECT true FROM projects WHERE id = $1 AND deleted_at IS NULL FOR UPDATE"
MARK_DELETED = "UPDATE projects SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL"
DELETE_KEYS = "DELETE FROM keys WHERE project = $1"

ADD_KEY = """
INSERT INTO keys (id, project, kind, name, hint, hash, created_at, expires_at, scopes, origins, allow_browser)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"""
KEYS = """
SELECT id, kind, name, hint, created_at, expires_at, scopes, origins, allow_browser, last_used_at
FROM keys
WHERE project = $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY id DESC LIMIT $3"""
COUNT_KEYS = "SELECT count(*) FROM keys WHERE project = $1 AND (expires_at IS NULL OR expires_at > $2)"
KEY = """
SELECT id, kind, name, hint, created_at, expires_at, scopes, origins, allow_browser, last_used_at
FROM keys
WHERE project = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > $3)"""
KEY_BY_HASH = """
SELECT keys.id, project, kind, expires_at, scopes, origins, allow_browser, suspended_at IS NOT NULL AS suspended
FROM keys JOIN projects ON projects.id = project WHERE hash = $1"""
MEMBERSHIP = """
SELECT id AS project, slug, role, suspended_at IS NOT NULL AS suspended
FROM projects JOIN members ON members.project = projects.id
WHERE developer = $1 AND deleted_at IS NULL AND (id = $2 OR slug = $2)"""
PROJECT_AT = """
SELECT id AS project, slug, 'viewer' AS role, suspended_at IS NOT NULL AS suspended
FROM projects WHERE deleted_at IS NULL AND (id = $1 OR slug = $1)"""
IS_SUSPENDED = "SELECT EXISTS (SELECT FROM projects WHERE id = $1 AND suspended_at IS NOT NULL)"
LOCK_KEY = KEY + " FOR UPDATE"
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
    suspended: bool = False


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


class PlatformStore:
    def __init__(self, db: Database, clock: Clock, max_keys_per_project: int, mails: MailOutbox | None = None) -> None:
        """`mails`: by default, an outbox whose mails nobody sends."""
        self.db = db
        self.mails = mails or MailOutbox(db, clock)
        self.clock = clock
        self.max_keys = max_keys_per_project
        self.outbox = Outbox(db)
        self.feed = Feed(db, Revocation, clock)

    async def add_project(self, project: Project, developer: str, keys: list[NewKey], limit: int) -> bool:
        """Add a project with its first member and keys. Return False if the slug is taken.

        Raises: InvalidInput, if the developer has `limit` projects already.
        """
        async with self.db.transaction():
            await self.db.execute(LOCK_DEVELOPER, developer)
            await self.check_room(developer, limit)
            args = (project.id, project.name, project.slug, project.created_at)
            if not await self.db.execute(ADD_PROJECT, *args):
                return False
            await self.db.execute(ADD_MEMBER, project.id, developer, project.role, project.created_at)
            for key in keys:
                await self._insert_key(project.id, key)
            return True

    async def check_room(self, developer: str, limit: int) -> None:
        """Raise InvalidInput if the developer has `limit` projects already."""
        if await self.db.value(COUNT_PROJECTS, developer) >= limit:
            raise InvalidInput(
                f"You have {limit} projects, and an account cannot have more here. Delete a project first."
            )

    async def project(self, ref: str, developer: str) -> Project | None:
        """Return the project with this id or slug, or None if the developer is not a member of it."""
        return await self.db.one(Project, PROJECT, ref, developer)

    async def project_of(self, slug: str) -> str | None:
        found: str | None = await self.db.value(PROJECT_OF_SLUG, slug)
        return found

    async def projects(self, developer: str, limit: int, after: str) -> list[Project]:
        return await self.db.all(Project, PROJECTS, developer, after, limit)

    async def name_of(self, project: str) -> str | None:
        found: str | None = await self.db.value(NAME, project)
        return found

    async def rename(self, project: str, name: str) -> None:
        await self.db.execute(RENAME, project, name)

    async def delete_project(self, project: str, forget_at: float) -> None:
        """Mark a project as deleted and, in the same transaction, post an event that tells the other rooms."""
        async with self.db.transaction():
            if await self.db.execute(MARK_DELETED, project, self.clock.now()):
                await self.db.execute(DELETE_KEYS, project)
                await self.feed.publish(RevokedKind.PROJECT, project, forget_at)
                await self.outbox.post(PROJECT_DELETED, {"project": project})

    async def membership(self, developer: str, ref: str) -> Membership | None:
        return await self.db.one(Membership, MEMBERSHIP, developer, ref)

    async def project_at(self, ref: str) -> Membership | None:
        """Return the project with this id or slug, with the role of a viewer."""
        return await self.db.one(Membership, PROJECT_AT, ref)

    async def is_suspended(self, project: str) -> bool:
        return bool(await self.db.value(IS_SUSPENDED, project)) if "\0" not in project else False

    async def add_key(self, project: str, key: NewKey) -> bool:
        """Add a key. Return False if the project cannot have more keys, or is deleted."""
        async with self.db.transaction():
            if not await self._has_room(project):
                return False
            await self._insert_key(project, key)
            return True

    async def keys(self, project: str) -> list[Key]:
        return await self.db.all(Key, KEYS, project, self.clock.now(), self.max_keys)

    async def key(self, project: str, id: str) -> Key | None:
        """Return the key with this id, or None if there is no such key or it has expired."""
        return await self.db.one(Key, KEY, project, id, self.clock.now())

    async def key_by_hash(self, hash: bytes) -> KeyRow | None:
        return await self.db.one(KeyRow, KEY_BY_HASH, hash)

    async def update_key(self, project: str, id: str, change: Callable[[Key], Key], forget_at: float) -> Key | None:
        """Store `change(key)`; caches forget the key. Return None if there is no such key. Raises: as `change`."""
        async with self.db.transaction():
            old = await self.db.one(Key, LOCK_KEY, project, id, self.clock.now())
            if old is None:
                return None
            new = change(old)
            scopes = None if new.scopes is None else list(new.scopes)
            await self.db.execute(UPDATE_KEY, project, id, new.name, scopes, list(new.origins), new.allow_browser)
            await self.feed.publish(RevokedKind.KEY, id, forget_at)
            return new

    async def keys_used(self, used: Sequence[UsedKey]) -> None:
        await self.db.execute(KEYS_USED, [one.id for one in used], [one.at for one in used])

    async def delete_key(self, project: str, id: str, forget_at: float) -> bool:
        async with self.db.transaction():
            if not await self.db.execute(DELETE_KEY, project, id):
                return False
            await self.feed.publish(RevokedKind.KEY, id, forget_at)
            return True

    async def replace_key(
        self, project: str, old: str, new: NewKey, old_expires_at: datetime, forget_at: float
    ) -> bool:
        """Add a key and let an old key expire. Return False if the project cannot have more keys, or is deleted."""
        async with self.db.transaction():
            if not await self._has_room(project):
                return False
            await self.db.execute(EXPIRE_KEY, project, old, old_expires_at)
            await self._insert_key(project, new)
            await self.feed.publish(RevokedKind.KEY, old, forget_at)
            return True

    async def delete_expired_keys(self, before: datetime) -> None:
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
