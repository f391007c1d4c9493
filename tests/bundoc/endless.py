"""Queries that run until they are stopped."""

from __future__ import annotations

import msgspec

from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile

COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
ROWS = f"({COUNTING} SELECT i AS id, NULL AS expires, '{{}}' AS body FROM n WHERE i < 0)"
PAGE = f"{COUNTING} SELECT max(i) FROM n WHERE ? IS NOT ?"


async def made_endless(engine: SqliteEngine, project: str, collection: str) -> ProjectFile:
    """Make each query of the collection, and each list that a thread reads, run for a minute or until it is stopped."""
    await engine.get(project, collection, "any")
    file = engine.files.ready(project)
    assert file is not None
    table = file.tables[collection]
    table.name, table.page_sql = ROWS, PAGE
    engine.turns.settings = msgspec.structs.replace(engine.turns.settings, read_seconds=60)
    return file
