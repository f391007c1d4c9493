"""Signing keys, sealed by BunKMS, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
FIRST_KEY: Final = "bunauth: the first signing key"
KEYS = "SELECT kid, sealed, created_at FROM signing_keys ORDER BY created_at DESC, kid"
ADD_KEY = "INSERT INTO signing_keys (kid, sealed, created_at) VALUES ($1, $2, $3)"


class SealedKey(msgspec.Struct, frozen=True):
    kid: str
    sealed: str
    created_at: datetime


class SigningKeyStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def newest_first(self) -> list[SealedKey]:
        """Return all signing keys."""
        return await self.db.all(SealedKey, KEYS)

    async def add_first(self, new: SealedKey) -> None:
        """Add a signing key, unless another process that started at the same time has added one."""
        async with self.db.transaction():
            await self.db.execute(LOCK, FIRST_KEY)
            if not await self.newest_first():
                await self.db.execute(ADD_KEY, new.kid, new.sealed, new.created_at)
