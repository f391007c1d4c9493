"""Accounts, and the setup token of the first one, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.bunauth.accounts import Account
from bunbase.pkg.db.database import Database
from bunbase.pkg.errors import Unauthenticated

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
FIRST_ACCOUNT: Final = "bunauth: the first account"
HAS_ACCOUNTS = "SELECT EXISTS (SELECT FROM users)"
HAS_ADMIN = "SELECT EXISTS (SELECT FROM users WHERE role = 'admin')"
ADD_ACCOUNT = """
INSERT INTO users (id, email, name, password_hash, role, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (email) DO NOTHING"""
ACCOUNT = "SELECT id, email, name, role, created_at FROM users WHERE id = $1"
ACCOUNT_BY_EMAIL = "SELECT id, email, name, role, created_at, password_hash FROM users WHERE email = $1"
SETUP_TOKEN = "SELECT hash FROM setup_token"
ADD_SETUP_TOKEN = "INSERT INTO setup_token (hash) VALUES ($1) ON CONFLICT DO NOTHING"
REPLACE_SETUP_TOKEN = "INSERT INTO setup_token (hash) VALUES ($1) ON CONFLICT (one) DO UPDATE SET hash = $1"
DELETE_SETUP_TOKEN = "DELETE FROM setup_token"


class Credentials(msgspec.Struct, frozen=True):
    """An account with the hash of its password."""

    id: str
    email: str
    name: str
    role: str
    created_at: datetime
    password_hash: str

    def account(self) -> Account:
        return Account(self.id, self.email, self.name, self.role, self.created_at)


class AccountStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def exist(self) -> bool:
        return bool(await self.db.value(HAS_ACCOUNTS))

    async def has_admin(self) -> bool:
        return bool(await self.db.value(HAS_ADMIN))

    async def add_first(self, new: Credentials) -> bool:
        """Add the first account and delete the setup token.

        Return False if there is an account already: of several calls at once, only one succeeds.
        """
        async with self.db.transaction():
            await self.db.execute(LOCK, FIRST_ACCOUNT)
            await self.db.execute(DELETE_SETUP_TOKEN)
            return not await self.exist() and await self.add(new)

    async def setup_token(self) -> bytes | None:
        """Return the hash of the setup token, or None if no token is stored."""
        found: bytes | None = await self.db.value(SETUP_TOKEN)
        return found

    async def add_setup_token(self, hash: bytes) -> bool:
        """Store the hash. Return False if another process, started at the same time, has stored a hash already."""
        return bool(await self.db.execute(ADD_SETUP_TOKEN, hash))

    async def replace_setup_token(self, hash: bytes) -> None:
        await self.db.execute(REPLACE_SETUP_TOKEN, hash)

    async def add(self, new: Credentials) -> bool:
        """Add an account. Return False if the email is taken."""
        args = (new.id, new.email, new.name, new.password_hash, new.role, new.created_at)
        return bool(await self.db.execute(ADD_ACCOUNT, *args))

    async def by_id(self, id: str) -> Account | None:
        return await self.db.one(Account, ACCOUNT, id)

    async def existing(self, id: str) -> Account:
        """Return the account of a caller who is signed in. Raises: Unauthenticated, if it was deleted meanwhile."""
        found = await self.by_id(id)
        if found is None:
            raise Unauthenticated("This account was deleted.")
        return found

    async def credentials(self, email: str) -> Credentials | None:
        return await self.db.one(Credentials, ACCOUNT_BY_EMAIL, email)
