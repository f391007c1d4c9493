"""The settings of projects in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.tenant_auth.settings import ProjectAuth
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.db.lifetimes import Lifetimes
from bunbase.tenant_auth.cookie_origins import cookie_origins
from bunbase.tenant_auth.settings_patch import known

# A message is stored for this time. Processes that start later read the settings from this table anyway.
KEEP_SECONDS = 600.0

READ = "SELECT settings, sealed, version FROM auth_settings WHERE project = $1"
ADD = """
INSERT INTO auth_settings (project, settings, sealed, version, updated_at, cookie_origins)
VALUES ($1, $2, $3, 1, $4, $5)
ON CONFLICT DO NOTHING"""
REPLACE = """
UPDATE auth_settings SET settings = $2, sealed = $3, version = version + 1, updated_at = $4, cookie_origins = $5
WHERE project = $1 AND version = $6"""
HAS_COOKIE_ORIGIN = "SELECT EXISTS (SELECT FROM auth_settings WHERE cookie_origins @> ARRAY[$1::text])"
THAT_SEND_MAIL = "SELECT array_agg(project) FROM auth_settings WHERE settings -> 'hooks' ->> 'send_mail' <> ''"
LONGEST = """
SELECT max((settings -> 'tokens' ->> 'access_ttl_seconds')::int) FROM auth_settings
WHERE settings -> 'tokens' ->> 'access_ttl_seconds' IS NOT NULL"""


class StoredSettings(msgspec.Struct, frozen=True):
    """The settings of a project. `sealed`: secrets by name, sealed by BunKMS. `version` increases with each change.
    If `version` is 0, nothing is stored.
    """

    settings: ProjectAuth = ProjectAuth()
    sealed: dict[str, str] = {}
    version: int = 0


class SettingsRow(msgspec.Struct, frozen=True):
    settings: dict[str, Any]
    sealed: dict[str, str]
    version: int


class SettingsStore:
    def __init__(self, db: Database, feed: Feed[Revocation], lifetimes: Lifetimes) -> None:
        self.db = db
        self.feed = feed
        self.lifetimes = lifetimes

    async def projects_that_send_mail(self) -> list[str]:
        """Return the projects with the hook `send_mail`."""
        found: list[str] | None = await self.db.value(THAT_SEND_MAIL)
        return found or []

    async def read(self, project: str) -> StoredSettings:
        return (await self.read_raw(project))[0]

    async def read_raw(self, project: str) -> tuple[StoredSettings, dict[str, Any]]:
        """Return the settings, and the stored JSON.

        The JSON has only chosen values, and perhaps fields of newer versions.
        """
        row = await self.db.one(SettingsRow, READ, project)
        if row is None:
            return StoredSettings(), {}
        return StoredSettings(msgspec.convert(known(row.settings), ProjectAuth), row.sealed, row.version), row.settings

    async def replace(
        self, project: str, new: StoredSettings, now: datetime, raw: dict[str, Any] | None = None
    ) -> bool:
        """Store new settings and tell all processes, in one transaction.

        `new.version`: the version that the caller has read. Return False if the stored settings have another version
        now.
        `raw`: the JSON of the settings, if it differs from the JSON of the Struct.
        """
        settings = msgspec.to_builtins(new.settings) if raw is None else raw
        args = (project, settings, new.sealed, now, sorted(cookie_origins(new.settings)))
        async with self.db.transaction():
            if new.version:
                changed = await self.db.execute(REPLACE, *args, new.version)
            else:
                changed = await self.db.execute(ADD, *args)
            if not changed:
                return False
            if new.settings.tokens.access_ttl_seconds is not None:
                await self.lifetimes.note(new.settings.tokens.access_ttl_seconds)
            await self.feed.publish(RevokedKind.SETTINGS, project, now.timestamp() + KEEP_SECONDS)
            return True

    async def has_cookie_origin(self, origin: str) -> bool:
        return bool(await self.db.value(HAS_COOKIE_ORIGIN, origin))

    async def note_lifetimes(self) -> None:
        """Store how long access tokens of this process live, and the longest lifetime that a project has chosen."""
        await self.lifetimes.note()
        longest: int | None = await self.db.value(LONGEST)
        if longest is not None:
            await self.lifetimes.note(longest)
