"""Passkeys and their challenges in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from bunbase.contracts.bunauth.factors import Passkey
from bunbase.pkg.db.database import Database
from bunbase.pkg.passkeys import NewPasskey, PublicPasskey

ADD = """
INSERT INTO passkeys (id, user_id, credential_id, public_key, sign_count, name, synced, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (credential_id) DO NOTHING"""
OF_ACCOUNT = """
SELECT id, name, synced, created_at, last_used_at FROM passkeys WHERE user_id = $1 ORDER BY id DESC LIMIT $2"""
CREDENTIAL_IDS = "SELECT array_agg(credential_id) FROM passkeys WHERE user_id = $1"
BY_CREDENTIAL = "SELECT id, user_id, credential_id, public_key, sign_count FROM passkeys WHERE credential_id = $1"
USE = "UPDATE passkeys SET sign_count = $2, last_used_at = $3 WHERE id = $1"
RENAME = "UPDATE passkeys SET name = $3 WHERE user_id = $1 AND id = $2"
DELETE = "DELETE FROM passkeys WHERE user_id = $1 AND id = $2 RETURNING name"

ADD_CHALLENGE = "INSERT INTO passkey_challenges (hash, kind, user_id, expires_at) VALUES ($1, $2, $3, $4)"
TAKE_CHALLENGE = """
DELETE FROM passkey_challenges
WHERE hash = $1 AND kind = $2 AND user_id IS NOT DISTINCT FROM $3 AND expires_at > $4"""
DELETE_CHALLENGES = """
DELETE FROM passkey_challenges WHERE hash IN (SELECT hash FROM passkey_challenges WHERE expires_at < $1 LIMIT $2)"""


class PasskeyAct(StrEnum):
    """The act that a passkey signs a challenge for. A challenge of one act is not valid for another."""

    REGISTER = "register"
    SIGN_IN = "sign_in"  # of an account that the passkey itself names
    SECOND_FACTOR = "second_factor"
    PROOF = "proof"


class StoredPasskey(PublicPasskey, frozen=True):
    id: str
    user_id: str


class PasskeyStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, user: str, id: str, new: NewPasskey, name: str, now: datetime) -> bool:
        """Add a passkey. Return False if it is registered already."""
        args = (new.credential_id, new.public_key, new.sign_count, name, new.synced, now)
        return bool(await self.db.execute(ADD, id, user, *args))

    async def of_account(self, user: str, limit: int) -> list[Passkey]:
        """Return the newest passkeys of an account."""
        return await self.db.all(Passkey, OF_ACCOUNT, user, limit)

    async def credential_ids(self, user: str) -> list[bytes]:
        return await self.db.value(CREDENTIAL_IDS, user) or []

    async def by_credential(self, credential_id: bytes) -> StoredPasskey | None:
        return await self.db.one(StoredPasskey, BY_CREDENTIAL, credential_id)

    async def use(self, id: str, sign_count: int, now: datetime) -> None:
        await self.db.execute(USE, id, sign_count, now)

    async def rename(self, user: str, id: str, name: str) -> bool:
        return bool(await self.db.execute(RENAME, user, id, name))

    async def delete(self, user: str, id: str) -> str | None:
        """Delete a passkey. Return its name, or None if the account has no such passkey."""
        name: str | None = await self.db.value(DELETE, user, id)
        return name

    async def add_challenge(self, hash: bytes, act: PasskeyAct, user: str | None, expires_at: datetime) -> None:
        await self.db.execute(ADD_CHALLENGE, hash, act, user, expires_at)

    async def take_challenge(self, hash: bytes, act: PasskeyAct, user: str | None, now: datetime) -> bool:
        """Delete a challenge. Return False if there is no such challenge of this act and account."""
        return bool(await self.db.execute(TAKE_CHALLENGE, hash, act, user, now))

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_CHALLENGES, before)
