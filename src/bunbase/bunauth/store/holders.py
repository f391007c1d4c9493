"""Accounts in PostgreSQL, as a store that `pkg/identity` can use."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.store.accounts import Credentials
from bunbase.pkg.db.database import Database

LOCK_ACCOUNT: Final = """
SELECT id, email, name, role, created_at, password_hash, email_verified_at, avatar_url, version
FROM users WHERE id = $1 FOR UPDATE"""
CHANGE_VERSION: Final = "UPDATE users SET version = version + 1 WHERE id = $1"


class AccountHolders:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def locked(self, id: str) -> Credentials | None:
        """Return the account. The credentials of the account cannot change until the transaction ends."""
        return await self.db.one(Credentials, LOCK_ACCOUNT, id)

    async def change_version(self, id: str) -> None:
        """Record a change of the credentials. Unfinished sign-ins then cannot open a session."""
        await self.db.execute(CHANGE_VERSION, id)
