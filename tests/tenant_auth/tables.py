"""The tables of tenant-auth as PostgreSQL describes them, and a row in each of them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.pkg.clock import ManualClock
from bunbase.tenant_auth.service import TenantAuthService

COLUMNS: Final = """
SELECT table_name AS table, column_name AS name, data_type AS type, column_default IS NULL AS required FROM
    information_schema.columns WHERE table_schema = 'tenant_auth' AND is_nullable = 'NO' AND table_name = ANY ($1)
ORDER BY table_name, ordinal_position"""
TABLES: Final = """
SELECT array_agg(table_name::text ORDER BY table_name) FROM information_schema.columns
WHERE table_schema = 'tenant_auth' AND column_name = 'project'"""
OWN: Final = ("users", "sessions", "refresh_tokens")  # A sign-up adds rows to these tables.


class Column(msgspec.Struct, frozen=True):
    table: str
    name: str
    type: str
    required: bool


async def tables(room: TenantAuthService) -> list[str]:
    """Return the names of all tables with rows of projects."""
    return list(await room.stores.db.value(TABLES))


async def add_a_row_to_every_table(room: TenantAuthService, project: str, user: str, session: str) -> None:
    """Add a row of a project to every table, except to the tables to which a sign-up adds rows."""
    columns = await room.stores.db.all(Column, COLUMNS, await tables(room))
    for table in {column.table for column in columns} - set(OWN):
        values = {
            column.name: _value(column, project, user, session)
            for column in columns
            if column.table == table and (column.required or column.name == "project")
        }
        if table in ("mail_tokens", "passkey_challenges"):
            values.pop("user_id", None)  # These tables also have rows without a user.
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        await room.stores.db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", *values.values())


async def rows(room: TenantAuthService, project: str) -> dict[str, str]:
    """Return all rows of a project as text, by table."""
    query = "SELECT coalesce(string_agg(one::text, ' ' ORDER BY one::text), '') FROM {} AS one WHERE project = $1"
    return {table: await room.stores.db.value(query.format(table), project) for table in await tables(room)}


def _value(column: Column, project: str, user: str, session: str) -> Any:
    known = {"project": project, "user_id": user, "session": session, "state": "sent"}
    if column.name in known:
        return known[column.name]
    return {
        "text": f"x of {project}",
        "bytea": project.encode(),
        "integer": 1,
        "bigint": 1,
        "smallint": 1,
        "boolean": False,
        "json": {},
        "ARRAY": [],
        "double precision": 1.0,
        "timestamp with time zone": ManualClock().now(),
    }[column.type]
