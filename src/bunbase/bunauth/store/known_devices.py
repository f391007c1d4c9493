"""The devices from which accounts have signed in, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bunbase.pkg.db.database import Database

# One account has at most this many devices. The devices with the oldest last sign-in are deleted.
MAX_DEVICES: Final = 100

# A row that was inserted, and not updated, has no older version (xmax is 0). The time of a known device changes at most
# once a day, so that simultaneous sign-ins from one device do not wait for each other.
NOTE = """
WITH noted AS (
    INSERT INTO known_devices (user_id, device, seen_at) VALUES ($1, $2, $3)
    ON CONFLICT (user_id, device) DO UPDATE SET seen_at = excluded.seen_at
        WHERE known_devices.seen_at < excluded.seen_at - interval '1 day'
    RETURNING xmax = 0 AS new
)
SELECT new FROM noted"""
FORGET_MOST = """
DELETE FROM known_devices WHERE user_id = $1 AND device IN (
    SELECT device FROM known_devices WHERE user_id = $1 ORDER BY seen_at DESC OFFSET $2)"""
FORGET_OLD = """
DELETE FROM known_devices WHERE (user_id, device) IN (
    SELECT user_id, device FROM known_devices WHERE seen_at < $1 LIMIT $2)"""


class KnownDeviceStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def note(self, user: str, device: bytes, now: datetime) -> bool:
        """Record a sign-in of an account from a device.

        Return True if the account has never signed in from this device before.
        """
        new = bool(await self.db.value(NOTE, user, device, now))
        if new:
            await self.db.execute(FORGET_MOST, user, MAX_DEVICES)
        return new

    async def delete_before(self, time: datetime) -> None:
        await self.db.delete_in_batches(FORGET_OLD, time)
