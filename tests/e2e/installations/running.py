"""Run a kept installation: all rooms in one process, on a given data directory and database."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import asyncpg

from tests.e2e.instance import SETUP_TOKEN, Instance

MASTER_KEY = base64.b64encode(b"a master key of a kept test only").decode()
FOLDER, DUMP, EXPECTED = "data", "postgresql.sql", "expected.json"
YEARS = "3650"

# Sessions expire after months and jobs after a year, but tests load the kept files for years. Therefore these times are
# set to tomorrow when the files are loaded.
STILL_AHEAD = """
UPDATE bunauth.sessions SET expires_at = now() + interval '1 day';
UPDATE bunauth.refresh_tokens SET expires_at = now() + interval '1 day';
UPDATE tenant_auth.sessions SET expires_at = now() + interval '1 day';
UPDATE tenant_auth.refresh_tokens SET expires_at = now() + interval '1 day';
UPDATE functions.jobs SET due_at = now() + interval '1 day', look_at = now() + interval '1 day' WHERE state = 'waiting';
"""


def installation(home: Path, database_url: str) -> Instance:
    """Return an instance of all rooms in one process, not yet started, with the longest possible retention."""
    instance = Instance("one", home)
    instance.serve()
    _, environment = instance.commands["serve"]
    environment |= {
        "BUNBASE_MASTER_KEY": MASTER_KEY,
        "DATABASE_URL": database_url,
        "BUNBASE_BUNAUTH__SIGNUPS": "open",
        "BUNBASE_BUNAUTH__SETUP_TOKEN": SETUP_TOKEN,
        "BUNBASE_BUNDOC__CHANGE_DAYS": YEARS,
        "BUNBASE_FUNCTIONS__LOG_RETENTION_DAYS": YEARS,
        "BUNBASE_FUNCTIONS__RUN_RETENTION_DAYS": YEARS,
        "BUNBASE_FUNCTIONS__STATS_RETENTION_DAYS": "400",
    }
    return instance


def load_dump(kept: Path, database_url: str) -> None:
    """Fill an empty database with the kept dump."""
    lines = (kept / DUMP).read_text("utf-8").splitlines(keepends=True)

    async def run() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute("".join(lines))
            await connection.execute("RESET ALL")  # The dump sets an empty search path.
            await connection.execute(STILL_AHEAD)
        finally:
            await connection.close()

    asyncio.run(run())
