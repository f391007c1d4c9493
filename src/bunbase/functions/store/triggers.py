"""SQL that starts and ends triggers with the version that becomes active."""

from __future__ import annotations

from typing import Final

from bunbase.pkg.db.database import Database

# If a deployment does not change the schedule, the next time stays. Otherwise the deployment could skip a run.
SYNC: Final = (
    """
DELETE FROM schedules s USING functions f JOIN versions v
    ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
WHERE f.project = $1 AND f.name = $2 AND s.project = $1 AND s.function = $2
    AND coalesce(jsonb_typeof(v.config -> 'schedule'), 'null') = 'null'""",
    """
INSERT INTO schedules (project, function, spec)
SELECT f.project, f.name, CASE jsonb_typeof(v.config -> 'schedule')
    WHEN 'string' THEN jsonb_build_object('cron', v.config -> 'schedule') ELSE v.config -> 'schedule' END
FROM functions f JOIN versions v ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
WHERE f.project = $1 AND f.name = $2 AND coalesce(jsonb_typeof(v.config -> 'schedule'), 'null') <> 'null'
ON CONFLICT (project, function) DO UPDATE SET spec = excluded.spec,
    next_at = CASE WHEN schedules.spec = excluded.spec THEN schedules.next_at END""",
    """
DELETE FROM subscriptions s USING functions f JOIN versions v
    ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
WHERE f.project = $1 AND f.name = $2 AND s.project = $1 AND s.function = $2
    AND coalesce(v.config -> 'on', '[]') = '[]'""",
)
SUBSCRIBE: Final = """
INSERT INTO subscriptions (project, function, triggers, cursor)
SELECT f.project, f.name, v.config -> 'on', $3::bigint
FROM functions f JOIN versions v ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
WHERE f.project = $1 AND f.name = $2 AND coalesce(v.config -> 'on', '[]') <> '[]'
ON CONFLICT (project, function) DO UPDATE SET triggers = excluded.triggers,
    cursor = coalesce(subscriptions.cursor, excluded.cursor)"""


async def sync_triggers(db: Database, project: str, function: str, change: int | None) -> None:
    """Set the schedules and subscriptions of the active version, as part of the caller's transaction.

    `change`: the number of a change. A new subscription sees each change after this change. Existing subscriptions keep
    their cursor.
    """
    for statement in SYNC:
        await db.execute(statement, project, function)
    await db.execute(SUBSCRIBE, project, function, change)
