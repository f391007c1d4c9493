"""The activity of users in PostgreSQL.

Refused attempts with the same user, hour, method, address and program share one row. After MAX_REFUSED such rows in an
hour, all further refused attempts of the hour share one row. So guessing passwords cannot fill the table. Every other
event has its own row, up to MAX_DONE rows in an hour. This limit is separate, so a flood of refused attempts cannot
hide the IP address of a real sign-in.

When the hour has reached this limit, sign-ins share a row. The row says whether the last of these sign-ins was from a
new device. BunBase does not remember the device of a sign-in in a shared row. So until the next hour, each further
sign-in from such a device counts as a sign-in from a new device.

A transaction that adds a row has locked the user or a session of the user. The deletion of a user first deletes the
user with all sessions, and then the rows here. So no row can appear after the deletion.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth.activity import ActivityFilter, ManagedActivityEntry
from bunbase.pkg.db.database import Database
from bunbase.pkg.identity.activity_slots import MAX_DONE, MAX_REFUSED

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('tenant_auth activity ' || $1 || ' ' || $2, 0))"
ADD: Final = """
INSERT INTO activity AS kept (project, id, user_id, at, last_at, hour, action, outcome, by, method, target, amr, actor,
    ip, agent, session, device, count, slot, new_device)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9,
    CASE WHEN room THEN $10 ELSE '' END, CASE WHEN room THEN $11 ELSE '' END,
    CASE WHEN room THEN $12::text[] ELSE '{{}}' END, CASE WHEN room THEN $13 ELSE '' END,
    CASE WHEN room THEN $14 ELSE '' END, CASE WHEN room THEN $15 ELSE '' END, CASE WHEN room THEN $16 ELSE '' END,
    CASE WHEN room THEN $17::bytea END, $18, CASE WHEN room THEN $19 ELSE $20 END,
    $17 IS NOT NULL AND NOT EXISTS (SELECT FROM activity WHERE project = $1 AND user_id = $3 AND device = $17)
FROM (
    SELECT count(*) < $21 AS room FROM activity
    WHERE project = $1 AND user_id = $3 AND hour = $6 AND (outcome = 'refused') = ($8 = 'refused')
        AND (slot = '' OR slot <> $19)
) AS of_hour{of_user}
ON CONFLICT (project, user_id, slot) WHERE slot <> '' DO UPDATE SET count = kept.count + excluded.count,
    last_at = greatest(kept.last_at, excluded.last_at), new_device = excluded.new_device
RETURNING new_device"""
ADD_DONE: Final = ADD.format(of_user="")
# This statement waits for a concurrent deletion of the user, and then adds nothing.
ADD_REFUSED: Final = ADD.format(of_user=", (SELECT FROM users WHERE project = $1 AND id = $3 FOR KEY SHARE) AS of_user")
ADD_IMPORTED: Final = """
INSERT INTO activity (project, id, user_id, at, last_at, hour, action, outcome, by, method, target, amr, actor,
    ip, agent, session, device, count, slot, new_device)
SELECT $1, new.id, new.user_id, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, '', false
FROM unnest($2::text[], $3::text[]) AS new (id, user_id)"""
COUNT_DOCUMENTS: Final = """
INSERT INTO activity AS kept (project, id, user_id, at, last_at, hour, action, outcome, by, method, target, amr, actor,
    ip, agent, session, count, slot, new_device)
VALUES ($1, $2, $3, $4, $4, $4, $5, 'done', 'system', '', $6, '{}', '', '', '', '', $7, $8, false)
ON CONFLICT (project, user_id, slot) WHERE slot <> '' DO UPDATE SET count = kept.count + excluded.count, last_at = $4"""
PAGE: Final = """
SELECT id, at, action, outcome, by, ip, agent, method, target, amr, session, new_device, count,
    CASE WHEN count > 1 THEN last_at END AS last_at, user_id AS user, actor
FROM activity
WHERE project = $1 AND ($2 = '' OR id < $2){conditions} ORDER BY id DESC LIMIT $3"""
# A project can only choose a shorter time than the installation.
DELETE_OLD: Final = """
DELETE FROM activity WHERE (project, id) IN (SELECT project, id FROM activity WHERE at < $1 LIMIT $2)"""
SHORTER: Final = """
SELECT project, (settings ->> 'activity_days')::int AS days FROM auth_settings
WHERE (settings ->> 'activity_days')::int < $1"""
DELETE_OLD_OF: Final = """
DELETE FROM activity WHERE project = $1 AND id IN (
    SELECT id FROM activity WHERE project = $1 AND at < $2 LIMIT $3)"""
FORGET_USERS: Final = """
DELETE FROM activity WHERE (project, user_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))"""


class NewEntry(msgspec.Struct, frozen=True):
    """A row to add. Equal slots share a row. `slot`: the slot while the hour is below its limit.

    `full_slot`: the slot afterwards.

    `device`: if set, the row is about a sign-in that opens a session on this device.
    """

    project: str
    id: str
    user: str
    at: datetime
    last_at: datetime
    hour: datetime
    action: str
    outcome: str
    by: str
    method: str
    target: str
    amr: tuple[str, ...]
    actor: str
    ip: str
    agent: str
    session: str
    device: bytes | None
    count: int
    slot: str
    full_slot: str


class _KeptDays(msgspec.Struct, frozen=True):
    project: str
    days: int


class ActivityStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, new: NewEntry) -> bool:
        """Add a row in the transaction of the event. Return True if the user has never signed in from the device."""
        return bool(await self.db.value(ADD_DONE, *msgspec.structs.astuple(new), MAX_DONE))

    async def add_refused(self, new: NewEntry) -> None:
        """Add refused attempts, or increase the count of the row with the same slot.

        If the user was deleted, do nothing.

        If two processes run this at the same time, the second process sees the rows of the first process.
        """
        async with self.db.transaction():
            await self.db.execute(LOCK, new.project, new.user)
            await self.db.value(ADD_REFUSED, *msgspec.structs.astuple(new), MAX_REFUSED)

    async def add_many(self, new: NewEntry, ids: Sequence[str], users: Sequence[str]) -> None:
        """Add one row for each of many new users. The rows differ only in the ids."""
        project, _, _, *rest, _slot, _full = msgspec.structs.astuple(new)
        await self.db.execute(ADD_IMPORTED, project, list(ids), list(users), *rest)

    async def count_documents(
        self, project: str, id: str, user: str, at: datetime, action: str, collection: str, count: int
    ) -> None:
        """Increase the count in the row of a deleted user and a collection. There is only one such row."""
        slot = f"{action} {collection}"
        await self.db.execute(COUNT_DOCUMENTS, project, id, user, at, action, collection, count, slot)

    async def page(self, project: str, only: ActivityFilter, before: str, limit: int) -> list[ManagedActivityEntry]:
        """Return rows, newest first. If `before` is not empty, return only rows that are older than this id."""
        known = {
            "user_id = ": only.user,
            "action = ": only.action,
            "outcome = ": only.outcome,
            "at >= ": only.since,
            "at < ": only.until,
        }
        asked = {condition: value for condition, value in known.items() if value is not None}
        conditions = "".join(f" AND {condition}${number}" for number, condition in enumerate(asked, start=4))
        query = PAGE.format(conditions=conditions)
        return await self.db.all(ManagedActivityEntry, query, project, before, limit, *asked.values())

    async def forget(self, projects: Sequence[str], users: Sequence[str]) -> None:
        """Delete all rows of users. Call this after the deletion of the users, in the same transaction."""
        await self.db.execute(FORGET_USERS, list(projects), list(users))

    async def delete_old(self, now: datetime, days: int) -> None:
        """Delete the entries that are too old.

        `days`: the number of days in the settings of the installation. A project may choose a smaller number.
        """
        await self.db.delete_in_batches(DELETE_OLD, now - timedelta(days=days))
        for kept in await self.db.all(_KeptDays, SHORTER, days):
            await self.db.delete_in_batches(DELETE_OLD_OF, kept.project, now - timedelta(days=kept.days))
