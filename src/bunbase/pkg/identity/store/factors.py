"""Authenticator apps and recovery codes of one pool, in PostgreSQL.

Every change begins with `Holders.locked`, so that all requests about the factors of one account run one after the
other, and cannot deadlock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

FACTORS: Final = """
SELECT EXISTS (SELECT FROM totp WHERE project = $1 AND user_id = $2 AND sealed IS NOT NULL) AS totp,
    (SELECT count(*) FROM recovery_codes WHERE project = $1 AND user_id = $2) AS recovery_codes,
    (SELECT count(*) FROM passkeys WHERE project = $1 AND user_id = $2) AS passkeys"""
TOTP: Final = """
SELECT sealed, confirmed_at, last_step, failed, locked_until, pending, pending_until, pending_failed
FROM totp WHERE project = $1 AND user_id = $2"""
START_TOTP: Final = """
INSERT INTO totp (project, user_id, pending, pending_until) VALUES ($1, $2, $3, $4)
ON CONFLICT (project, user_id) DO UPDATE SET pending = $3, pending_until = $4, pending_failed = 0"""
FAIL_PENDING: Final = "UPDATE totp SET pending_failed = pending_failed + 1 WHERE project = $1 AND user_id = $2"
CONFIRM_TOTP: Final = """
UPDATE totp SET sealed = pending, confirmed_at = $3, last_step = $4, failed = 0, locked_until = NULL,
    pending = NULL, pending_until = NULL
WHERE project = $1 AND user_id = $2"""
USE_STEP: Final = """
UPDATE totp SET last_step = $3, failed = 0, locked_until = NULL WHERE project = $1 AND user_id = $2"""
FAIL_TOTP: Final = "UPDATE totp SET failed = $3, locked_until = $4 WHERE project = $1 AND user_id = $2"
DELETE_TOTP: Final = "DELETE FROM totp WHERE project = $1 AND user_id = $2"
DELETE_CODES: Final = "DELETE FROM recovery_codes WHERE project = $1 AND user_id = $2"
ADD_CODES: Final = "INSERT INTO recovery_codes (project, user_id, hash) SELECT $1, $2, unnest($3::bytea[])"
USE_CODE: Final = "DELETE FROM recovery_codes WHERE project = $1 AND user_id = $2 AND hash = $3"
DELETE_PASSKEYS: Final = "DELETE FROM passkeys WHERE project = $1 AND user_id = $2"
DELETE_PENDING: Final = """
DELETE FROM totp WHERE (project, user_id) IN (
    SELECT project, user_id FROM totp WHERE sealed IS NULL AND pending_until < $1 LIMIT $2)"""


APP_AND_CODES: Final = "the authenticator app and the recovery codes"
ALL_PASSKEYS: Final = "all passkeys"
ALL_FACTORS: Final = "the authenticator app, the recovery codes and all passkeys"


class FactorCounts(msgspec.Struct, frozen=True):
    """`totp`: true if the account has a confirmed authenticator app, so that a sign-in needs a second factor."""

    totp: bool
    recovery_codes: int
    passkeys: int

    @property
    def any(self) -> bool:
        return self.totp or self.passkeys > 0

    @property
    def in_words(self) -> str:
        """Return the removed factors in words, for a mail and a page, so that a reader does not look for a passkey that
        never existed.
        """
        if not self.totp:
            return ALL_PASSKEYS
        return ALL_FACTORS if self.passkeys else APP_AND_CODES


class TotpRow(msgspec.Struct, frozen=True):
    """`sealed`: the secret in use. `pending`: the secret that waits for its first code.

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
    def __init__(self, db: Database, project: str) -> None:
        self.db = db
        self.project = project

    async def counts(self, user: str) -> FactorCounts:
        found = await self.db.one(FactorCounts, FACTORS, self.project, user)
        assert found is not None, "a SELECT without FROM returns one row"
        return found

    async def totp(self, user: str) -> TotpRow | None:
        return await self.db.one(TotpRow, TOTP, self.project, user)

    async def start_totp(self, user: str, sealed: str, until: datetime) -> None:
        await self.db.execute(START_TOTP, self.project, user, sealed, until)

    async def fail_pending(self, user: str) -> None:
        await self.db.execute(FAIL_PENDING, self.project, user)

    async def confirm_totp(self, user: str, now: datetime, step: int) -> None:
        """Replace the present secret by the pending secret."""
        await self.db.execute(CONFIRM_TOTP, self.project, user, now, step)

    async def use_step(self, user: str, step: int) -> None:
        """Store the time step of a right code. Afterwards, neither this code nor an older code works."""
        await self.db.execute(USE_STEP, self.project, user, step)

    async def fail_totp(self, user: str, failed: int, locked_until: datetime | None) -> None:
        await self.db.execute(FAIL_TOTP, self.project, user, failed, locked_until)

    async def delete_totp(self, user: str) -> None:
        """Delete the authenticator app with its recovery codes."""
        async with self.db.transaction():
            await self.db.execute(DELETE_TOTP, self.project, user)
            await self.db.execute(DELETE_CODES, self.project, user)

    async def delete_all(self, user: str) -> FactorCounts:
        """Delete the authenticator app, the recovery codes and all passkeys. Return the factors that were deleted."""
        async with self.db.transaction():
            counts = await self.counts(user)
            await self.delete_totp(user)
            await self.db.execute(DELETE_PASSKEYS, self.project, user)
        return counts

    async def replace_codes(self, user: str, hashes: list[bytes]) -> None:
        async with self.db.transaction():
            await self.db.execute(DELETE_CODES, self.project, user)
            await self.db.execute(ADD_CODES, self.project, user, hashes)

    async def use_code(self, user: str, hash: bytes) -> bool:
        """Delete a recovery code. Return False if the account has no such code."""
        return bool(await self.db.execute(USE_CODE, self.project, user, hash))
