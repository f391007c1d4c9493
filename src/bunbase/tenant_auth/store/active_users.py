"""The active users of each month in PostgreSQL. Past months have only numbers."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.tenant_auth.active_users import ActiveMonth
from bunbase.pkg.db.database import Database
from bunbase.tenant_auth.active_users import Active

BATCH: Final = 1000

# If an anonymous user signs up during the month, the user counts as a user with an account.
ADD: Final = """
INSERT INTO user_months AS kept (project, month, user_id, anonymous)
SELECT project, month, user_id, bool_and(anonymous)
FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[]) AS new (project, month, user_id, anonymous)
GROUP BY project, month, user_id ORDER BY project, month, user_id
ON CONFLICT (project, month, user_id) DO UPDATE SET anonymous = false WHERE kept.anonymous AND NOT excluded.anonymous"""
# The numbers are added up, so that a batch that arrives after the end of a month is not lost.
CLOSE: Final = """
WITH gone AS (
    DELETE FROM user_months WHERE ctid = ANY (ARRAY(SELECT ctid FROM user_months WHERE month < $1 LIMIT $2))
    RETURNING project, month, anonymous
)
INSERT INTO user_month_counts AS kept (project, month, users, anonymous)
SELECT project, month, count(*) FILTER (WHERE NOT anonymous), count(*) FILTER (WHERE anonymous) FROM gone
GROUP BY project, month ORDER BY project, month
ON CONFLICT (project, month) DO UPDATE SET users = kept.users + excluded.users,
    anonymous = kept.anonymous + excluded.anonymous"""
MONTHS: Final = """
SELECT month, sum(users)::bigint AS users, sum(anonymous)::bigint AS anonymous FROM (
    SELECT month, users, anonymous FROM user_month_counts WHERE project = $1 AND month >= $2
    UNION ALL
    SELECT month, count(*) FILTER (WHERE NOT anonymous), count(*) FILTER (WHERE anonymous)
    FROM user_months WHERE project = $1 AND month >= $2 GROUP BY month
) AS both_kinds GROUP BY month ORDER BY month DESC"""
OF_ALL: Final = "SELECT count(*) FROM user_months WHERE month = $1 AND NOT anonymous"


class ActiveUserStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, active: list[Active]) -> None:
        """Add users. Each user counts once in a month. Idempotent."""
        for start in range(0, len(active), BATCH):
            rows = active[start : start + BATCH]
            columns = ([one.project for one in rows], [one.month for one in rows], [one.user for one in rows])
            await self.db.execute(ADD, *columns, [one.anonymous for one in rows])

    async def close_before(self, month: str) -> None:
        """Replace the users of earlier months with numbers, in batches."""
        while await self.db.execute(CLOSE, month, BATCH * 10):
            pass

    async def of_project(self, project: str, since: str) -> list[ActiveMonth]:
        """Return the months from `since`, newest first."""
        return await self.db.all(ActiveMonth, MONTHS, project, since)

    async def of_all(self, month: str) -> int:
        """Return the number of active users of all projects together, without anonymous users."""
        return int(await self.db.value(OF_ALL, month))
