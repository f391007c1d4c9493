"""Short codes with which users sign in, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.pkg.db.database import Database

# A new code replaces the older code. If too many codes were made, nothing is stored.
REPLACE: Final = """
INSERT INTO sign_in_codes AS code (project, kind, address, sealed, made, counted_since, expires_at)
VALUES ($1, $2, $3, $4, 1, $5, $6)
ON CONFLICT (project, kind, address) DO UPDATE
SET sealed = $4, compared = 0, guesses = '{}', expires_at = $6,
    made = CASE WHEN code.counted_since <= $7 THEN 1 ELSE code.made + 1 END,
    counted_since = CASE WHEN code.counted_since <= $7 THEN $5 ELSE code.counted_since END
WHERE code.counted_since <= $7 OR code.made < $8"""
MADE: Final = """
SELECT made FROM sign_in_codes WHERE project = $1 AND kind = $2 AND address = $3 AND counted_since > $4"""
LOCK: Final = "SELECT FROM sign_in_codes WHERE project = $1 AND kind = $2 AND address = $3 FOR UPDATE"
COMPARE: Final = """
UPDATE sign_in_codes SET compared = compared + 1,
    guesses = guesses || jsonb_build_object($5::text, coalesce((guesses ->> $5)::int, 0) + 1)
WHERE project = $1 AND kind = $2 AND address = $3 AND expires_at > $4
    AND coalesce((guesses ->> $5)::int, 0) < $6 AND ($7::int IS NULL OR compared < $7)
RETURNING sealed"""
RENEW: Final = """
UPDATE sign_in_codes SET expires_at = $4
WHERE project = $1 AND kind = $2 AND address = $3 AND sealed <> ''
RETURNING sealed"""
NEWEST: Final = "SELECT sealed FROM sign_in_codes WHERE project = $1 AND kind = $2 AND address = $3 AND sealed <> ''"
# The row stays, because it counts the codes. A code that was used cannot be renewed.
TAKE: Final = """
UPDATE sign_in_codes SET sealed = '', expires_at = $5
WHERE project = $1 AND kind = $2 AND address = $3 AND sealed = $4 AND expires_at > $5"""
DELETE_EXPIRED: Final = """
DELETE FROM sign_in_codes WHERE (project, kind, address) IN (
    SELECT project, kind, address FROM sign_in_codes WHERE expires_at < $1 LIMIT $2)"""


class NewCode(msgspec.Struct, frozen=True):
    """A code to store. `count_from`: codes that were made since this time count.

    `most`: the maximum number of codes.
    """

    kind: str
    address: str
    sealed: str
    made_at: datetime
    expires_at: datetime
    count_from: datetime
    most: int


class MostGuesses(msgspec.Struct, frozen=True):
    """The limits of comparisons of a code. `network`: the network of the caller.

    `of_all`: the limit for all networks together, or None for no limit.
    """

    network: str
    of_network: int
    of_all: int | None


class CodeStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def replace(self, project: str, new: NewCode) -> bool:
        """Store a code, which replaces an older code. Return False if too many codes were made for the address."""
        times = (new.made_at, new.expires_at, new.count_from)
        return bool(await self.db.execute(REPLACE, project, new.kind, new.address, new.sealed, *times, new.most))

    async def made(self, project: str, kind: str, address: str, count_from: datetime) -> int:
        """Return how many codes were made for an address since the count began.

        Return 0 if the count began before `after`.
        """
        return await self.db.value(MADE, project, kind, address, count_from) or 0

    async def lock(self, project: str, kind: str, address: str) -> None:
        """Lock the code of an address until the transaction ends. If no code is stored, nothing is locked."""
        await self.db.execute(LOCK, project, kind, address)

    async def compare(self, project: str, kind: str, address: str, now: datetime, most: MostGuesses) -> str | None:
        """Count this comparison, and return the sealed code.

        Return None if there is no code that may still be compared.
        """
        limits = (most.network, most.of_network, most.of_all)
        found: str | None = await self.db.value(COMPARE, project, kind, address, now, *limits)
        return found

    async def newest(self, project: str, kind: str, address: str) -> str | None:
        """Return the newest code of an address, sealed. Return None if it was used."""
        found: str | None = await self.db.value(NEWEST, project, kind, address)
        return found

    async def renew(self, project: str, kind: str, address: str, expires_at: datetime) -> str | None:
        """Extend the validity of the newest code, and return it sealed. Return None if it was used.

        The guesses of a used code still count.
        """
        found: str | None = await self.db.value(RENEW, project, kind, address, expires_at)
        return found

    async def take(self, project: str, kind: str, address: str, sealed: str, now: datetime) -> bool:
        """Use up a code. Return False if it was used or replaced meanwhile."""
        return bool(await self.db.execute(TAKE, project, kind, address, sealed, now))

    async def delete_expired(self, before: datetime) -> None:
        """Delete the codes of all projects that expired before a time."""
        await self.db.delete_in_batches(DELETE_EXPIRED, before)
