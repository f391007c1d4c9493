"""Store the definitions of channels in PostgreSQL: one row for each project, because they are replaced together.

`ledger`: the usage of projects, which outlives them.
"""

from __future__ import annotations

import msgspec

from bunbase.contracts.buncast import ChannelSpec
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.ledger import Ledger

DEFINITIONS = "SELECT channels FROM definitions WHERE project = $1"
PUT_DEFINITIONS = """
INSERT INTO definitions (project, channels) VALUES ($1, $2)
ON CONFLICT (project) DO UPDATE SET channels = excluded.channels, changed_at = now()"""
DELETE_DEFINITIONS = "DELETE FROM definitions WHERE project = $1"


class ChannelStore:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.ledger = Ledger(db)

    async def definitions(self, project: str) -> dict[str, ChannelSpec]:
        """Return the definition of each pattern."""
        text = await self.db.value(DEFINITIONS, project)
        return {} if text is None else msgspec.json.decode(text, type=dict[str, ChannelSpec])

    async def put_definitions(self, project: str, channels: dict[str, ChannelSpec]) -> None:
        await self.db.execute(PUT_DEFINITIONS, project, msgspec.json.encode(channels).decode())

    async def drop_project(self, project: str) -> None:
        await self.db.execute(DELETE_DEFINITIONS, project)
