"""Authenticator apps and recovery codes in PostgreSQL.

Every change begins with `locked_account`, so that all requests about the factors of one account come one by one, and
none of them can deadlock with another.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.bunauth.store.accounts import Credentials
from bunbase.pkg.db.database import Database

LOCK_ACCOUNT = """
SELECT id, email, name, role, created_at, password_hash, email_verified_at, avatar_url, version
FROM users WHERE id = $1 FOR UPDATE"""
CHANGE_VERSION = "UPDATE users SET version = version + 1 WHERE id = $1"
FACTORS = """
SELECT EXISTS (SELECT FROM totp WHERE user_id = $1 AND sealed IS NOT NULL) AS totp,
    (SELECT count(*) FROM recovery_codes WHERE user_id = $1) AS recovery_codes,
    (SELECT count(*) FROM passkeys WHERE user_id = $1) AS passkeys"""
TOTP = """
SELECT sealed, confirmed_at, last_step, failed, locked_until, pending, pending_until, pending_failed
FROM totp WHERE user_id = $1"""
START_TOTP = """
INSERT INTO totp (user_id, pending, pending_until) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO UPDATE SET pending = $2, pending_until = $3, pending_failed = 0"""
FAIL_PENDING = "UPDATE totp SET pending_failed = pending_failed + 1 WHERE user_id = $1"
CONFIRM_TOTP = """
UPDATE totp SET sealed = pending, confirmed_at = $2, last_step = $3, failed = 0, locked_until = NULL,
    pending = NULL, pending_until = NULL
WHERE user_id = $1"""
USE_STEP = "UPDATE totp SET last_step = $2, failed = 0, locked_until = NULL WHERE user_id = $1"
FAIL_TOTP = "UPDATE totp SET failed = $2, locked_until = $3 WHERE user_id = $1"
DELETE_TOTP = "DELETE FROM totp WHERE user_id = $1"
DELETE_CODES = "DELETE FROM recovery_codes WHERE user_id = $1"
ADD_CODES = "INSERT INTO recovery_codes (user_id, hash) SELECT $1, unnest($2::bytea[])"
USE_CODE = "DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2"
DELETE_PASSKEYS = "DELETE FROM passkeys WHERE user_id = $1"
DELETE_PENDING = """
DELETE FROM totp WHERE user_id IN (
    SELECT user_id FROM totp WHERE sealed IS NULL AND pending_until < $1 LIMIT $2)"""


class FactorCounts(msgspec.Struct, frozen=True):
    """`totp`: the account has a confirmed authenticator app, so a sign-in needs a second factor."""

    totp: bool
    recovery_codes: int
    passkeys: int


class TotpRow(msgspec.Struct, frozen=True):
    """`sealed`, `pending`: the secret in use, and the one that waits for its first code.

    `failed`: the number of wrong codes in a row.
    """

    sealed: str | None
    confirmed_at: datetime | None
    last_step: int
    failed: int
    locked_until: datetime | None
    pending: str | None
    pending_until: datetime | None
    pending_failed: int


class FactorStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def locked_account(self, user: str) -> Credentials | None:
        """Return the account. Nothing about its factors changes until the transaction ends."""
        return await self.db.one(Credentials, LOCK_ACCOUNT, user)

    async def change_version(self, user: str) -> None:
        """Note a change of the credentials: sign-ins that are under way open no session any more."""
        await self.db.execute(CHANGE_VERSION, user)

    async def counts(self, user: str) -> FactorCounts:
        found = await self.db.one(FactorCounts, FACTORS, user)
        assert found is not None, "a SELECT without FROM returns one row"
        return found

    async def totp(self, user: str) -> TotpRow | None:
        return await self.db.one(TotpRow, TOTP, user)

    async def start_totp(self, user: str, sealed: str, until: datetime) -> None:
        await self.db.execute(START_TOTP, user, sealed, until)

    async def fail_pending(self, user: str) -> None:
        await self.db.execute(FAIL_PENDING, user)

    async def confirm_totp(self, user: str, now: datetime, step: int) -> None:
        """Put the pending secret in the place of the present one."""
        await self.db.execute(CONFIRM_TOTP, user, now, step)

    async def use_step(self, user: str, step: int) -> None:
        """Store the step of a good code: neither this code nor an older one works again."""
        await self.db.execute(USE_STEP, user, step)

    async def fail_totp(self, user: str, failed: int, locked_until: datetime | None) -> None:
        await self.db.execute(FAIL_TOTP, user, failed, locked_until)

    async def delete_totp(self, user: str) -> None:
        """Delete the authenticator app with its recovery codes."""
        async with self.db.transaction():
            await self.db.execute(DELETE_TOTP, user)
            await self.db.execute(DELETE_CODES, user)

    async def delete_all(self, user: str) -> bool:
        """Delete the authenticator app, the recovery codes and all passkeys. Return False if there was no factor."""
        async with self.db.transaction():
            counts = await self.counts(user)
            if counts.totp:
                await self.change_version(user)
            await self.delete_totp(user)
            await self.db.execute(DELETE_PASSKEYS, user)
        return counts.totp or counts.passkeys > 0

    async def replace_codes(self, user: str, hashes: list[bytes]) -> None:
        async with self.db.transaction():
            await self.db.execute(DELETE_CODES, user)
            await self.db.execute(ADD_CODES, user, hashes)

    async def use_code(self, user: str, hash: bytes) -> bool:
        """Delete a recovery code. Return False if the account has no such code."""
        return bool(await self.db.execute(USE_CODE, user, hash))

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_PENDING, before)
