"""Delete anonymous users who have been inactive for a long time. Nobody could sign in as one of these users again."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth.settings import AnonymousSettings
from bunbase.pkg.db.database import Database
from bunbase.tenant_auth.store.activity import ActivityStore

BATCH: Final = 500

# The last use of a session is its sign-in or its last refresh. All access tokens have expired, because `idle_days` is
# at least two, and a token lives at most one day. A user with an address, a phone number, an identity or a passkey can
# sign in again, and stays.
LOCK: Final = """
SELECT users.project, users.id
FROM users LEFT JOIN auth_settings USING (project)
    CROSS JOIN LATERAL (SELECT $1::timestamptz
        - make_interval(days => coalesce((settings #>> '{anonymous,idle_days}')::int, $2::int)) AS since) AS kept
WHERE anonymous AND email IS NULL AND phone IS NULL AND password_hash IS NULL AND created_at < since
    AND NOT EXISTS (SELECT FROM sessions AS s
        WHERE s.project = users.project AND user_id = users.id AND last_used_at >= since)
    AND NOT EXISTS (SELECT FROM identities AS i WHERE i.project = users.project AND user_id = users.id)
    AND NOT EXISTS (SELECT FROM passkeys AS p WHERE p.project = users.project AND user_id = users.id)
LIMIT $3 FOR UPDATE OF users SKIP LOCKED"""
# The second statement sees a refresh, or another way to sign in, that was stored after the first statement.
DELETE: Final = """
DELETE FROM users WHERE (project, id) IN (SELECT * FROM unnest($2::text[], $3::text[]))
    AND NOT EXISTS (SELECT FROM sessions AS s
        WHERE s.project = users.project AND user_id = users.id AND last_used_at > $1::timestamptz - interval '1 day')
    AND NOT EXISTS (SELECT FROM identities AS i WHERE i.project = users.project AND user_id = users.id)
    AND NOT EXISTS (SELECT FROM passkeys AS p WHERE p.project = users.project AND user_id = users.id)
RETURNING project, id"""
# service/cascade.py describes the further effects of a deletion
TELL: Final = """
INSERT INTO outbox (topic, payload)
SELECT 'user_deleted', jsonb_build_object('project', project, 'user', id)
FROM unnest($1::text[], $2::text[]) AS gone (project, id) JOIN auth_settings USING (project)
WHERE coalesce(settings #>> '{deletion,function}', '') <> '' OR settings #>> '{deletion,collections}' <> '{}'"""


class _Locked(msgspec.Struct, frozen=True):
    project: str
    id: str


async def delete_idle(db: Database, now: datetime) -> int:
    """Delete the idle anonymous users of all projects, with their sessions. Return the number of deleted users."""
    deleted, days = 0, AnonymousSettings().idle_days
    while True:
        async with db.transaction():
            found = await db.all(_Locked, LOCK, now, days, BATCH)
            pairs = [user.project for user in found], [user.id for user in found]
            gone = await db.all(_Locked, DELETE, now, *pairs)
            deleted_pairs = [user.project for user in gone], [user.id for user in gone]
            await db.execute(TELL, *deleted_pairs)
            await ActivityStore(db).forget(*deleted_pairs)
            deleted += len(gone)
        if len(found) < BATCH:
            return deleted
