"""Passkeys of one pool and their challenges, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from bunbase.pkg.db.database import Database
from bunbase.pkg.identity.factors import Passkey
from bunbase.pkg.passkeys import NewPasskey, PublicPasskey, UsedPasskey

ADD: Final = """
INSERT INTO passkeys
(project, id, user_id, credential_id, public_key, sign_count, name, synced, created_at, backup_eligible)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"""
OF_ACCOUNT: Final = """
SELECT id, name, synced, created_at, last_used_at FROM passkeys
WHERE project = $1 AND user_id = $2 ORDER BY id DESC LIMIT $3"""
CREDENTIAL_IDS: Final = "SELECT array_agg(credential_id) FROM passkeys WHERE project = $1 AND user_id = $2"
BY_CREDENTIAL: Final = """
SELECT id, user_id, credential_id, public_key, sign_count, backup_eligible
FROM passkeys WHERE project = $1 AND credential_id = $2"""
USE: Final = """
UPDATE passkeys SET sign_count = $3, synced = $4, last_used_at = $5, backup_eligible = $6
WHERE project = $1 AND id = $2"""
RENAME: Final = "UPDATE passkeys SET name = $4 WHERE project = $1 AND user_id = $2 AND id = $3"
DELETE: Final = "DELETE FROM passkeys WHERE project = $1 AND user_id = $2 AND id = $3 RETURNING name"

ADD_CHALLENGE: Final = """
INSERT INTO passkey_challenges (project, hash, kind, user_id, expires_at) VALUES ($1, $2, $3, $4, $5)"""
DELETE_OLDEST_CHALLENGES: Final = """
DELETE FROM passkey_challenges WHERE project = $1 AND hash IN (
    SELECT hash FROM passkey_challenges WHERE project = $1 AND user_id = $2 AND kind = $3
    ORDER BY expires_at DESC OFFSET $4)"""
TAKE_CHALLENGE: Final = """
DELETE FROM passkey_challenges
WHERE project = $1 AND hash = $2 AND kind = $3 AND user_id IS NOT DISTINCT FROM $4 AND expires_at > $5"""
FORGET_CHALLENGES: Final = "DELETE FROM passkey_challenges WHERE project = $1 AND user_id = $2"
DELETE_CHALLENGES: Final = """
DELETE FROM passkey_challenges WHERE (project, hash) IN (
    SELECT project, hash FROM passkey_challenges WHERE expires_at < $1 LIMIT $2)"""


class PasskeyAct(StrEnum):
    """The act for which a passkey signs a challenge. A challenge for one act is not valid for another act."""

    REGISTER = "register"
    SIGN_IN = "sign_in"  # in such a sign-in, the passkey itself names the account
    SECOND_FACTOR = "second_factor"
    PROOF = "proof"


class StoredPasskey(PublicPasskey, frozen=True, kw_only=True):
    id: str
    user_id: str


class PasskeyStore:
    def __init__(self, db: Database, project: str) -> None:
        self.db = db
        self.project = project

    async def add(self, user: str, id: str, new: NewPasskey, name: str, now: datetime) -> bool:
        """Add a passkey. Return False if it is registered already."""
        args = (new.credential_id, new.public_key, new.sign_count, name, new.synced, now, new.backup_eligible)
        return bool(await self.db.execute(ADD, self.project, id, user, *args))

    async def of_account(self, user: str, limit: int) -> list[Passkey]:
        """Return the newest passkeys of an account."""
        return await self.db.all(Passkey, OF_ACCOUNT, self.project, user, limit)

    async def credential_ids(self, user: str) -> list[bytes]:
        return await self.db.value(CREDENTIAL_IDS, self.project, user) or []

    async def by_credential(self, credential_id: bytes) -> StoredPasskey | None:
        return await self.db.one(StoredPasskey, BY_CREDENTIAL, self.project, credential_id)

    async def use(self, id: str, used: UsedPasskey, now: datetime) -> None:
        args = (used.sign_count, used.synced, now, used.backup_eligible)
        await self.db.execute(USE, self.project, id, *args)

    async def rename(self, user: str, id: str, name: str) -> bool:
        return bool(await self.db.execute(RENAME, self.project, user, id, name))

    async def delete(self, user: str, id: str) -> str | None:
        """Delete a passkey. Return the name of the passkey, or None if the account has no such passkey."""
        name: str | None = await self.db.value(DELETE, self.project, user, id)
        return name

    async def add_challenge(
        self, hash: bytes, act: PasskeyAct, user: str | None, expires_at: datetime, keep: int
    ) -> None:
        """Add a challenge, and delete the oldest challenges of this account and act, except `keep` challenges."""
        async with self.db.transaction():
            await self.db.execute(ADD_CHALLENGE, self.project, hash, act, user, expires_at)
            if user is not None:
                await self.db.execute(DELETE_OLDEST_CHALLENGES, self.project, user, act, keep)

    async def take_challenge(self, hash: bytes, act: PasskeyAct, user: str | None, now: datetime) -> bool:
        """Delete a challenge. Return False if there is no such challenge of this act and account."""
        return bool(await self.db.execute(TAKE_CHALLENGE, self.project, hash, act, user, now))

    async def forget_challenges(self, user: str) -> None:
        """Delete the challenges of an account, so that a registration that has begun cannot add a passkey."""
        await self.db.execute(FORGET_CHALLENGES, self.project, user)
