"""Accounts, and the setup token for the first account, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.bunauth.accounts import Account
from bunbase.pkg.db.database import Database
from bunbase.pkg.errors import Unauthenticated

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
FIRST_ACCOUNT: Final = "bunauth: the first account"
EMAIL: Final = "bunauth: email "
HAS_ACCOUNTS = "SELECT EXISTS (SELECT FROM users)"
HAS_ADMIN = "SELECT EXISTS (SELECT FROM users WHERE role = 'admin')"
ADD_ACCOUNT = """
INSERT INTO users (id, email, name, password_hash, role, created_at, email_verified_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (email) DO NOTHING"""
ACCOUNT = """
SELECT id, email, name, role, created_at, email_verified_at IS NOT NULL AS email_verified, avatar_url
FROM users WHERE id = $1"""
ACCOUNTS = """
SELECT id, email, name, role, created_at, email_verified_at IS NOT NULL AS email_verified, avatar_url
FROM users WHERE id = ANY ($1::text[])"""
ACCOUNT_BY_EMAIL = """
SELECT id, email, name, role, created_at, password_hash, email_verified_at, avatar_url, version
FROM users WHERE email = $1"""
ACCOUNT_WITH_HASH = """
SELECT id, email, name, role, created_at, password_hash, email_verified_at, avatar_url, version
FROM users WHERE id = $1"""
TAKE_OVER = """
UPDATE users SET password_hash = NULL, email_verified_at = $2, version = version + 1 WHERE id = $1"""
PASSWORD_HASH = "SELECT password_hash FROM users WHERE id = $1"
SET_PASSWORD_HASH = "UPDATE users SET password_hash = $2, version = version + 1 WHERE id = $1"
UPGRADE_PASSWORD_HASH = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2"
VERIFY_EMAIL = """
UPDATE users SET email_verified_at = $3 WHERE id = $1 AND email = $2 AND email_verified_at IS NULL"""
SET_EMAIL = """
UPDATE users SET email = $2, email_verified_at = $3, version = version + 1
WHERE id = $1 AND NOT EXISTS (SELECT FROM users WHERE email = $2)"""
LOCK_ACCOUNT = "SELECT email, email_verified_at IS NOT NULL AS verified FROM users WHERE id = $1 FOR UPDATE"
LOCK_ADMINS = "SELECT pg_advisory_xact_lock(hashtextextended('bunauth: administrators', 0))"
IS_LAST_ADMIN = """
SELECT EXISTS (SELECT FROM users WHERE id = $1 AND role = 'admin')
    AND NOT EXISTS (SELECT FROM users WHERE id <> $1 AND role = 'admin' AND suspended_at IS NULL)"""
DELETE_ACCOUNT = "DELETE FROM users WHERE id = $1"
SET_PROFILE = "UPDATE users SET name = coalesce($2, name), avatar_url = coalesce($3, avatar_url) WHERE id = $1"
SETUP_TOKEN = "SELECT hash FROM setup_token"
ADD_SETUP_TOKEN = "INSERT INTO setup_token (hash) VALUES ($1) ON CONFLICT DO NOTHING"
REPLACE_SETUP_TOKEN = "INSERT INTO setup_token (hash) VALUES ($1) ON CONFLICT (one) DO UPDATE SET hash = $1"
DELETE_SETUP_TOKEN = "DELETE FROM setup_token"


class Credentials(msgspec.Struct, frozen=True):
    """An account with the hash of its password, or None if the account has no password.

    `version` increases with each change of the credentials.
    """

    id: str
    email: str
    name: str
    role: str
    created_at: datetime
    password_hash: str | None
    email_verified_at: datetime | None = None
    avatar_url: str = ""
    version: int = 0

    def account(self) -> Account:
        verified = self.email_verified_at is not None
        return Account(self.id, self.email, self.name, self.role, self.created_at, verified, self.avatar_url)


class LockedAccount(msgspec.Struct, frozen=True):
    email: str
    verified: bool


class AccountStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def exist(self) -> bool:
        return bool(await self.db.value(HAS_ACCOUNTS))

    async def has_admin(self) -> bool:
        return bool(await self.db.value(HAS_ADMIN))

    async def add_first(self, new: Credentials) -> bool:
        """Add the first account and delete the setup token.

        Return False if an account already exists. If several calls run at the same time, only one succeeds.
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
        """Store the hash.

        Return False if another process, which was started at the same time, has already stored a hash.
        """
        return bool(await self.db.execute(ADD_SETUP_TOKEN, hash))

    async def replace_setup_token(self, hash: bytes) -> None:
        await self.db.execute(REPLACE_SETUP_TOKEN, hash)

    async def add(self, new: Credentials) -> bool:
        """Add an account. Return False if the email is taken."""
        args = (new.id, new.email, new.name, new.password_hash, new.role, new.created_at, new.email_verified_at)
        async with self.db.transaction():
            await self.db.execute(LOCK, EMAIL + new.email)
            return bool(await self.db.execute(ADD_ACCOUNT, *args))

    async def by_id(self, id: str) -> Account | None:
        return await self.db.one(Account, ACCOUNT, id)

    async def by_ids(self, ids: list[str]) -> list[Account]:
        return await self.db.all(Account, ACCOUNTS, ids)

    async def existing(self, id: str) -> Account:
        """Return the account of a caller who is signed in.

        Raises: Unauthenticated if the account was deleted meanwhile.
        """
        found = await self.by_id(id)
        if found is None:
            raise Unauthenticated("This account was deleted.")
        return found

    async def credentials(self, email: str) -> Credentials | None:
        return await self.db.one(Credentials, ACCOUNT_BY_EMAIL, email)

    async def credentials_of(self, id: str) -> Credentials | None:
        return await self.db.one(Credentials, ACCOUNT_WITH_HASH, id)

    async def take_over(self, id: str, now: datetime) -> None:
        """Delete the password, and mark the address as verified."""
        await self.db.execute(TAKE_OVER, id, now)

    async def password_hash(self, id: str) -> str | None:
        found: str | None = await self.db.value(PASSWORD_HASH, id)
        return found

    async def set_password_hash(self, id: str, hash: str) -> None:
        """Change the password. An unfinished sign-in with the old password then cannot open a session."""
        await self.db.execute(SET_PASSWORD_HASH, id, hash)

    async def upgrade_password_hash(self, id: str, old: str, new: str) -> None:
        """Replace the hash with another hash of the same password, unless the password was changed meanwhile."""
        await self.db.execute(UPGRADE_PASSWORD_HASH, id, old, new)

    async def set_profile(self, id: str, name: str | None, avatar_url: str | None) -> None:
        """Store the values that are not None."""
        await self.db.execute(SET_PROFILE, id, name, avatar_url)

    async def verify_email(self, id: str, email: str, now: datetime) -> bool:
        """Mark the address as verified.

        Return False if it was verified before, or if the account has another address now.
        """
        return bool(await self.db.execute(VERIFY_EMAIL, id, email, now))

    async def locked(self, id: str) -> LockedAccount | None:
        """Return the account, and lock it until the transaction ends."""
        return await self.db.one(LockedAccount, LOCK_ACCOUNT, id)

    async def set_email(self, id: str, email: str, now: datetime) -> bool:
        """Change the address. The new address is verified. Return False if another account has it."""
        async with self.db.transaction():
            await self.db.execute(LOCK, EMAIL + email)  # Another account may take the address at the same moment.
            return bool(await self.db.execute(SET_EMAIL, id, email, now))

    async def is_last_admin(self, id: str) -> bool:
        """True if the account is an administrator, and no other active administrator exists."""
        return bool(await self.db.value(IS_LAST_ADMIN, id))

    async def lock_admins(self) -> None:
        """Lock the list of administrators until the transaction ends. Call this before any other lock."""
        await self.db.execute(LOCK_ADMINS)

    async def delete(self, id: str) -> bool:
        """Delete an account. Return False if no other active administrator would remain."""
        async with self.db.transaction():
            await self.db.execute(LOCK_ADMINS)
            if await self.is_last_admin(id):
                return False
            await self.db.execute(DELETE_ACCOUNT, id)
            return True
