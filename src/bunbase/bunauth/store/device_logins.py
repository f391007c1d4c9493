"""Sign-ins of devices that wait for approval, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.bunauth.devices import WaitingDevice
from bunbase.pkg.db.database import Database

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('bunauth: device logins', 0))"
COUNT = "SELECT count(*) FROM device_logins WHERE expires_at > $1"
COUNT_OF_NETWORK = COUNT + " AND network = $2"
ADD = """
INSERT INTO device_logins (hash, user_code, client, ip, agent, created_at, expires_at, network, state,
    interval_seconds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $9) ON CONFLICT (user_code) DO NOTHING"""
WAITING = """
SELECT user_code, client, ip, agent, created_at FROM device_logins
WHERE user_code = $1 AND state = 'waiting' AND expires_at > $2"""
DECIDE = """
UPDATE device_logins SET state = $3, user_id = $4, user_version = (SELECT version FROM users WHERE id = $4)
WHERE user_code = $1 AND state = 'waiting' AND expires_at > $2"""
LOCKED = """
SELECT state, interval_seconds, polled_at, user_id, user_version FROM device_logins
WHERE hash = $1 AND expires_at > $2 FOR UPDATE"""
NOTE_POLL = "UPDATE device_logins SET polled_at = $2, interval_seconds = $3 WHERE hash = $1"
DELETE = "DELETE FROM device_logins WHERE hash = $1"
DELETE_EXPIRED = """
DELETE FROM device_logins WHERE hash IN (SELECT hash FROM device_logins WHERE expires_at < $1 LIMIT $2)"""


class NewDeviceLogin(msgspec.Struct, frozen=True):
    hash: bytes
    user_code: str
    client: str
    ip: str
    agent: str
    created_at: datetime
    expires_at: datetime
    network: str
    interval_seconds: int


class PolledLogin(msgspec.Struct, frozen=True):
    """A sign-in that its device polls.

    `user_id`, `user_version`: the id and version of the person who approved the sign-in.
    """

    state: str
    interval_seconds: int
    polled_at: datetime | None
    user_id: str | None
    user_version: int | None


class DeviceLoginStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def has_room(self, now: datetime, limit: int, network: str, limit_of_network: int) -> bool:
        """True if fewer than `limit` sign-ins are open, and fewer than `limit_of_network` of them in this network.

        Call this inside the transaction that adds a sign-in. `network`: the caller's network, or empty if it is
        unknown. Without a network, only `limit` applies.
        """
        await self.db.execute(LOCK)
        if network and await self.db.value(COUNT_OF_NETWORK, now, network) >= limit_of_network:
            return False
        return bool(await self.db.value(COUNT, now) < limit)

    async def add(self, new: NewDeviceLogin) -> bool:
        """Add a sign-in. Return False if another sign-in has the same user code."""
        return bool(await self.db.execute(ADD, *msgspec.structs.astuple(new)))

    async def waiting(self, user_code: str, now: datetime) -> WaitingDevice | None:
        return await self.db.one(WaitingDevice, WAITING, user_code, now)

    async def decide(self, user_code: str, now: datetime, approve: bool, user: str) -> bool:
        """Store a person's decision.

        Return False if no sign-in waits under this code, so that only one decision counts.
        """
        state = "approved" if approve else "denied"
        return bool(await self.db.execute(DECIDE, user_code, now, state, user))

    async def locked(self, hash: bytes, now: datetime) -> PolledLogin | None:
        """Return a sign-in that has not expired, and lock it until the transaction ends."""
        return await self.db.one(PolledLogin, LOCKED, hash, now)

    async def note_poll(self, hash: bytes, now: datetime, interval_seconds: int) -> None:
        await self.db.execute(NOTE_POLL, hash, now, interval_seconds)

    async def delete(self, hash: bytes) -> None:
        await self.db.execute(DELETE, hash)

    async def delete_expired(self, before: datetime) -> None:
        await self.db.delete_in_batches(DELETE_EXPIRED, before)
