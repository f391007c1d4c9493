"""SQL of functions and their versions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.functions.deployments import Bundle, FunctionConfig, Version
from bunbase.functions.store.triggers import sync_triggers
from bunbase.functions.workers.deployment import Deployment
from bunbase.pkg.db.database import Database

# The payload is `<project> <name>`, or `<project> ` for all functions of the project.
CHANNEL: Final = "functions_changed"

# So many newest versions have stored bytecode: the active version and the version for a rollback.
KEPT_BYTECODE: Final = 2

LOCK_PROJECT = "SELECT pg_advisory_xact_lock(hashtextextended('functions ' || $1, 0))"
TELL = "SELECT pg_notify($1, $2)"

EXISTS = "SELECT true FROM functions WHERE project = $1 AND name = $2"
COUNT = "SELECT count(*) FROM functions WHERE project = $1"
NEXT_VERSION = "SELECT coalesce(max(version), 0) + 1 FROM versions WHERE project = $1 AND name = $2"
ADD_VERSION = """
INSERT INTO versions (project, name, version, bundle, source_map, config, sha256, size, created_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""
ADD_BYTECODE = "INSERT INTO bytecode (project, name, version, code) VALUES ($1, $2, $3, $4)"
FORGET_BYTECODE = "DELETE FROM bytecode WHERE project = $1 AND name = $2 AND version < $3"
ACTIVATE = """
INSERT INTO functions (project, name, active_version) VALUES ($1, $2, $3)
ON CONFLICT (project, name) DO UPDATE SET active_version = excluded.active_version"""
FORGET_OLD = """
DELETE FROM versions v USING functions f
WHERE v.project = $1 AND v.name = $2 AND f.project = v.project AND f.name = v.name AND v.version <> f.active_version
AND v.version NOT IN (SELECT version FROM versions WHERE project = $1 AND name = $2 ORDER BY version DESC LIMIT $3)"""

VERSION_COLUMNS = """
SELECT v.name, v.version, v.sha256, v.size, v.config, v.version = f.active_version AS active, v.created_at, v.created_by
FROM versions v JOIN functions f ON f.project = v.project AND f.name = v.name"""
ACTIVE_VERSIONS = f"""{VERSION_COLUMNS}
WHERE v.project = $1 AND v.version = f.active_version AND v.name > $2 ORDER BY v.name LIMIT $3"""
ACTIVE_VERSION = f"{VERSION_COLUMNS} WHERE v.project = $1 AND v.name = $2 AND v.version = f.active_version"
VERSION = f"{VERSION_COLUMNS} WHERE v.project = $1 AND v.name = $2 AND v.version = $3"
VERSION_BEFORE = f"""{VERSION_COLUMNS}
WHERE v.project = $1 AND v.name = $2 AND v.version < f.active_version ORDER BY v.version DESC LIMIT 1"""
VERSIONS = f"""{VERSION_COLUMNS}
WHERE v.project = $1 AND v.name = $2 AND v.version < $3 ORDER BY v.version DESC LIMIT $4"""

DEPLOYMENT = """
SELECT v.project, v.name, v.version, v.sha256, v.config, coalesce(e.revision, 0) AS environment
FROM functions f
JOIN versions v ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
LEFT JOIN environments e ON e.project = f.project
WHERE f.project = $1 AND f.name = $2 AND NOT EXISTS (SELECT FROM paused_projects WHERE project = $1)"""
LOADED = """
SELECT v.bundle AS code, coalesce(b.code, '') AS bytecode
FROM versions v LEFT JOIN bytecode b ON b.project = v.project AND b.name = v.name AND b.version = v.version
WHERE v.project = $1 AND v.name = $2 AND v.version = $3"""
MEMORY_SIZES = """
SELECT (v.config->>'memory_mb')::int AS memory_mb
FROM functions f JOIN versions v ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
WHERE (v.config->>'memory_mb')::int <> $1
GROUP BY 1 ORDER BY count(*) DESC LIMIT $2"""
SOURCE_MAP = "SELECT source_map FROM versions WHERE project = $1 AND name = $2 AND version = $3"
WHOLE = "SELECT bundle AS code, source_map, config FROM versions WHERE project = $1 AND name = $2 AND version = $3"
DELETE_FUNCTION = "DELETE FROM functions WHERE project = $1 AND name = $2"
DELETE_FUNCTIONS = "DELETE FROM functions WHERE project = $1"
PAUSE = "INSERT INTO paused_projects (project) VALUES ($1) ON CONFLICT DO NOTHING"
RESUME = "DELETE FROM paused_projects WHERE project = $1"


class ProgramCode(msgspec.Struct, frozen=True):
    """The code that a worker loads. `bytecode`: the bytecode compiled from this code; often empty."""

    code: bytes
    bytecode: bytes


class MemorySize(msgspec.Struct, frozen=True):
    memory_mb: int


class NewVersion(msgspec.Struct, frozen=True):
    """A version to add.

    `change`: the number of a change. New data triggers of the version see each change after this change.
    """

    bundle: bytes
    source_map: bytes | None
    config: FunctionConfig
    sha256: str
    created_at: datetime
    created_by: str
    bytecode: bytes = b""
    change: int | None = None


class FunctionStore:
    """Stores functions and versions. A lock serialises the changes of a project. CHANNEL announces each commit."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def add_version(
        self, project: str, name: str, new: NewVersion, max_functions: int, keep: int
    ) -> Version | None:
        """Add a version and make it active. Return None if the project would have too many functions."""
        async with self._change(project, name, new.change):
            new_function = not await self.db.value(EXISTS, project, name)
            if new_function and await self.db.value(COUNT, project) >= max_functions:
                return None
            number: int = await self.db.value(NEXT_VERSION, project, name)
            size = len(new.bundle)
            row = (new.bundle, new.source_map, new.config, new.sha256, size, new.created_at, new.created_by)
            await self.db.execute(ADD_VERSION, project, name, number, *row)
            if new.bytecode:
                await self.db.execute(ADD_BYTECODE, project, name, number, new.bytecode)
            await self.db.execute(FORGET_BYTECODE, project, name, number - KEPT_BYTECODE + 1)
            await self.db.execute(ACTIVATE, project, name, number)
            await self.db.execute(FORGET_OLD, project, name, keep)
        return Version(name, number, new.sha256, size, new.config, True, new.created_at, new.created_by)

    async def activate(self, project: str, name: str, version: int, change: int | None) -> Version | None:
        """Make a version active. Return None if the version does not exist.

        `change` has the same meaning as in `NewVersion`.
        """
        async with self._change(project, name, change):
            found = await self.version(project, name, version)
            if found is None:
                return None
            await self.db.execute(ACTIVATE, project, name, version)
        return msgspec.structs.replace(found, active=True)

    async def version(self, project: str, name: str, version: int | None) -> Version | None:
        """Return a version. `version`: its number, or None for the version before the active version."""
        if version is None:
            return await self.db.one(Version, VERSION_BEFORE, project, name)
        return await self.db.one(Version, VERSION, project, name, version)

    async def active_versions(self, project: str, limit: int, after: str) -> list[Version]:
        return await self.db.all(Version, ACTIVE_VERSIONS, project, after, limit)

    async def active_version(self, project: str, name: str) -> Version | None:
        return await self.db.one(Version, ACTIVE_VERSION, project, name)

    async def versions(self, project: str, name: str, limit: int, before: int) -> list[Version]:
        return await self.db.all(Version, VERSIONS, project, name, before, limit)

    async def deployment(self, project: str, name: str) -> Deployment | None:
        """Return the active deployment of a function, or None if there is none or the project is paused."""
        return await self.db.one(Deployment, DEPLOYMENT, project, name)

    async def loaded(self, project: str, name: str, version: int) -> ProgramCode | None:
        return await self.db.one(ProgramCode, LOADED, project, name, version)

    async def memory_sizes(self, besides: int, limit: int) -> list[int]:
        """Return the memory limits of all active versions except the limit `besides`, most frequent first."""
        return [found.memory_mb for found in await self.db.all(MemorySize, MEMORY_SIZES, besides, limit)]

    async def source_map(self, project: str, name: str, version: int) -> bytes | None:
        found: bytes | None = await self.db.value(SOURCE_MAP, project, name, version)
        return found

    async def whole(self, project: str, name: str, version: int) -> Bundle | None:
        return await self.db.one(Bundle, WHOLE, project, name, version)

    async def delete(self, project: str, name: str) -> bool:
        async with self._change(project, name):
            return bool(await self.db.execute(DELETE_FUNCTION, project, name))

    async def delete_all(self, project: str) -> None:
        async with self._change(project, ""):
            await self.db.execute(DELETE_FUNCTIONS, project)
            await self.db.execute(RESUME, project)

    async def pause(self, project: str, paused: bool) -> None:
        """Hide the deployments, schedules and jobs of a project from all processes that would run them.

        `paused`: if false, show them again.
        """
        async with self._change(project, ""):
            await self.db.execute(PAUSE if paused else RESUME, project)

    @asynccontextmanager
    async def _change(self, project: str, name: str, change: int | None = None) -> AsyncIterator[None]:
        async with self.db.transaction():
            await self.db.execute(LOCK_PROJECT, project)
            yield
            await sync_triggers(self.db, project, name, change)
            await self.db.execute(TELL, CHANNEL, f"{project} {name}")
