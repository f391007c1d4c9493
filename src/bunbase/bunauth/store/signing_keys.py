"""Signing keys, sealed by BunKMS, in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('bunauth: signing keys', 0))"
KEYS = "SELECT kid, sealed, created_at, signs_from FROM signing_keys ORDER BY signs_from DESC, kid"
ADD_KEY = "INSERT INTO signing_keys (kid, sealed, created_at, signs_from) VALUES ($1, $2, $3, $4)"
DELETE_KEYS = "DELETE FROM signing_keys WHERE kid = ANY ($1)"


class SealedKey(msgspec.Struct, frozen=True):
    """A sealed key. `signs_from`: the key signs from this time until a newer key begins to sign."""

    kid: str
    sealed: str
    created_at: datetime
    signs_from: datetime


class SigningKeyStore:
    def __init__(self, db: Database, feed: Feed[Revocation]) -> None:
        self.db = db
        self.feed = feed

    async def newest_first(self) -> list[SealedKey]:
        """Return all signing keys, with the newest first."""
        return await self.db.all(SealedKey, KEYS)

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[list[SealedKey]]:
        """Yield all signing keys, newest first. No other process can change them until the block ends and commits."""
        async with self.db.transaction():
            await self.db.execute(LOCK)
            yield await self.newest_first()

    async def add(self, new: SealedKey) -> None:
        await self.db.execute(ADD_KEY, new.kid, new.sealed, new.created_at, new.signs_from)

    async def delete(self, kids: list[str]) -> None:
        await self.db.execute(DELETE_KEYS, kids)

    async def revoke(self, kids: list[str], until: float) -> None:
        """Delete keys, and tell all processes that tokens of these keys are no longer valid."""
        async with self.db.transaction():
            await self.delete(kids)
            for kid in kids:
                await self.feed.publish(RevokedKind.SIGNING_KEY, kid, until)
