"""SQL that starts and ends triggers with the version that becomes active."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bunbase.functions.store.subscriptions import Source
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
)
# $3 source, $4 the path of its triggers in `on`
UNSUBSCRIBE: Final = """
DELETE FROM subscriptions s USING functions f JOIN versions v
    ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
WHERE f.project = $1 AND f.name = $2 AND s.project = $1 AND s.function = $2 AND s.source = $3
    AND coalesce(jsonb_path_query_array(v.config -> 'on', $4::text::jsonpath), '[]') = '[]'"""
SUBSCRIBE: Final = """
INSERT INTO subscriptions (project, function, source, triggers, cursor)
SELECT f.project, f.name, $3, own.triggers, $5::bigint
FROM functions f JOIN versions v ON v.project = f.project AND v.name = f.name AND v.version = f.active_version
CROSS JOIN LATERAL (SELECT jsonb_path_query_array(v.config -> 'on', $4::text::jsonpath) AS triggers) AS own
WHERE f.project = $1 AND f.name = $2 AND own.triggers <> '[]'
ON CONFLICT (project, function, source) DO UPDATE SET triggers = excluded.triggers,
    cursor = coalesce(subscriptions.cursor, excluded.cursor)"""

TRIGGERS_OF: Final = {
    Source.DOCUMENTS: '$[*] ? (@.collection.type() == "string")',
    Source.OBJECTS: '$[*] ? (@.bucket.type() == "string")',
}


NOTHING: Final[Mapping[Source, int]] = {}


async def sync_triggers(db: Database, project: str, function: str, newest: Mapping[Source, int]) -> None:
    """Set the schedules and subscriptions of the active version, as part of the caller's transaction.

    `newest`: for each change log with triggers, the number of its newest change. A new subscription sees each change
    after this one. Existing subscriptions keep their cursor.
    """
    for statement in SYNC:
        await db.execute(statement, project, function)
    for source, path in TRIGGERS_OF.items():
        await db.execute(UNSUBSCRIBE, project, function, source, path)
        await db.execute(SUBSCRIBE, project, function, source, path, newest.get(source))
