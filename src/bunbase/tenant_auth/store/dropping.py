"""Delete everything of a destroyed project."""

from __future__ import annotations

from typing import Final

from bunbase.pkg.db.database import Database

# Foreign keys delete the rows that belong to users. The tables below also have rows without a user. A test compares the
# list with the schema.
TABLES: Final = (
    "users",
    "activity",
    "auth_settings",
    "external_codes",
    "external_logins",
    "mail_requests",
    "mail_tokens",
    "mails",
    "passkey_challenges",
    "sign_in_codes",
    "text_messages",
    "used_custom_tokens",
    "user_month_counts",
    "user_months",
)
DROP: Final = """
DELETE FROM {table} WHERE project = $1 AND ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE project = $1 LIMIT $2))"""

FORGET_EVENTS: Final = "DELETE FROM outbox WHERE payload ->> 'project' = $1"


async def drop_project(db: Database, project: str) -> None:
    """Delete the rows of a project in small batches. Idempotent."""
    await db.execute(FORGET_EVENTS, project)
    for table in TABLES:
        await db.delete_in_batches(DROP.format(table=table), project)
