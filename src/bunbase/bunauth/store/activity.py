"""The activity of accounts in PostgreSQL.

Refused attempts with the same account, hour, method, address and program share one row. After MAX_REFUSED such rows in
an hour, all further refused attempts of the hour share one row. So guessing passwords cannot fill the table. Every
other action has its own row, up to MAX_DONE rows in an hour. This limit is separate, so a flood of refused attempts
cannot hide the IP address of a real sign-in.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.bunauth.activity import ActivityEntry, UnauditedActivity
from bunbase.pkg.db.database import Database
from bunbase.pkg.identity.activity_slots import MAX_DONE, MAX_REFUSED

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('bunauth activity ' || $1, 0))"
ADD = """
INSERT INTO activity AS kept
    (id, user_id, email, at, last_at, action, method, target, outcome, ip, agent, count, hour, slot, unaudited)
SELECT $1, users.id, CASE WHEN audited THEN email END, $3, $4, $5,
    CASE WHEN room THEN $6 ELSE '' END, CASE WHEN room THEN $7 ELSE '' END, $8,
    CASE WHEN room THEN $9 ELSE '' END, CASE WHEN room THEN $10 ELSE '' END, $11, $12,
    CASE WHEN room THEN $13 ELSE $14 END, audited
FROM users,
    LATERAL (SELECT $15 OR ($16 AND role = 'admin') AS audited) AS of_role,
    LATERAL (
        SELECT count(*) < $17 AS room FROM activity
        WHERE user_id = $2 AND hour = $12 AND (outcome = 'refused') = ($8 = 'refused') AND slot <> $13
    ) AS of_hour
WHERE users.id = $2
ON CONFLICT (user_id, slot) DO UPDATE SET count = kept.count + excluded.count,
    last_at = greatest(kept.last_at, excluded.last_at)"""
SELECTED = """
SELECT id, at, action, ip, agent, outcome, nullif(method, '') AS method, target, count,
    CASE WHEN count > 1 THEN last_at END AS last_at, user_id AS user, email
FROM activity"""
PAGE = f"""{SELECTED}
WHERE user_id = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3"""
# This reads two ranges of the index instead of using OR, because many refused attempts of this hour may be waiting.
UNAUDITED = f"""
({SELECTED} WHERE unaudited AND outcome = 'done' ORDER BY hour, id LIMIT $2)
UNION ALL
({SELECTED} WHERE unaudited AND outcome = 'refused' AND hour < $1 ORDER BY hour, id LIMIT $2)
ORDER BY id LIMIT $2"""
AUDITED = "UPDATE activity SET unaudited = false WHERE id = ANY ($1::text[])"
FORGET_DELETED = """
DELETE FROM activity WHERE id = ANY ($1::text[]) AND NOT EXISTS (SELECT FROM users WHERE users.id = user_id)"""
DELETE_OF_ACCOUNT = "DELETE FROM activity WHERE user_id = $1 AND NOT unaudited"
DELETE_OLD = "DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE at < $1 LIMIT $2)"


class NewActivity(msgspec.Struct, frozen=True):
    """A row to add. `slot`: the slot of the row while the hour is below its limit. `full_slot`: the slot afterwards.

    `audited`: true if the audit log of the installation needs the row. `audited_of_admin`: true if the audit log needs
    the row only for administrators.
    """

    id: str
    user: str
    at: datetime
    last_at: datetime
    action: str
    method: str
    target: str
    outcome: str
    ip: str
    agent: str
    count: int
    hour: datetime
    slot: str
    full_slot: str
    audited: bool
    audited_of_admin: bool


class UnauditedRow(ActivityEntry, frozen=True, kw_only=True):
    user: str
    email: str


class ActivityStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, new: NewActivity) -> None:
        """Add a row, or increase the count of the row with the same slot.

        If the account does not exist any more, do nothing.
        """
        most = MAX_REFUSED if new.outcome == "refused" else MAX_DONE
        await self.db.execute(ADD, *msgspec.structs.astuple(new), most)

    async def add_counted(self, new: NewActivity) -> None:
        """Add refused attempts.

        If two processes run this at the same time, the second process sees the rows of the first.
        """
        async with self.db.transaction():
            await self.db.execute(LOCK, new.user)
            await self.add(new)

    async def page(self, user: str, before: str, limit: int) -> list[ActivityEntry]:
        """Return rows of an account, newest first.

        If `before` is not empty, return only rows that are older than this id.
        """
        return await self.db.all(ActivityEntry, PAGE, user, before, limit)

    async def unaudited(self, hour: datetime, limit: int) -> list[UnauditedActivity]:
        """Return rows that the audit log needs, oldest first. A refused attempt must be from an hour before `hour`."""
        rows = await self.db.all(UnauditedRow, UNAUDITED, hour, limit)
        return [UnauditedActivity(_entry(row), row.user, row.email) for row in rows]

    async def note_audited(self, ids: tuple[str, ...]) -> None:
        async with self.db.transaction():
            await self.db.execute(AUDITED, list(ids))
            await self.db.execute(FORGET_DELETED, list(ids))

    async def delete_of_account(self, user: str) -> None:
        """Delete the activity of an account, except for rows that the audit log still needs."""
        await self.db.execute(DELETE_OF_ACCOUNT, user)

    async def delete_before(self, time: datetime) -> None:
        await self.db.delete_in_batches(DELETE_OLD, time)


def _entry(row: UnauditedRow) -> ActivityEntry:
    return ActivityEntry(**{name: getattr(row, name) for name in ActivityEntry.__struct_fields__})
