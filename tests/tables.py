"""Read all values that PostgreSQL stores for one room, so that tests can search them for secrets."""

from __future__ import annotations

import asyncpg


async def everything_in(database_url: str, schema: str) -> bytes:
    """Return every value of every table of the schema in one byte string.

    Bytes are unchanged, and other values are text.
    """
    connection = await asyncpg.connect(database_url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
        assert tables, f"there is no schema {schema}"
        found = []
        for (table,) in tables:
            rows = await connection.fetch(f'SELECT * FROM "{schema}"."{table}"')
            found += [v if isinstance(v, bytes) else str(v).encode() for row in rows for v in row.values()]
        return b"\n".join(found)
    finally:
        await connection.close()
