"""Store the definitions of channels in PostgreSQL: one row for each project, because they are replaced together.

The usage of projects is in a ledger, and stays after a project is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from bunbase.contracts.buncast import ChannelSpec
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.ledger import Ledger
from bunbase.pkg.usage.batches import USAGE_KEPT, Amount, Batch, Receipt

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

    async def add_usage(self, batch: Batch[None], sent: datetime) -> Receipt:
        """Add a batch of usage. A batch that is sent again counts only once."""
        return await self.ledger.add(batch, sent)

    async def usage(self, project: str, dimensions: Sequence[int], since: datetime, limit: int) -> list[Amount]:
        """Return the amounts of a project, newest hours first."""
        return await self.ledger.of_project(project, dimensions, since, limit)

    async def delete_old_usage(self) -> None:
        await self.ledger.delete_older(USAGE_KEPT)
        await self.ledger.prune()

    async def drop_project(self, project: str) -> None:
        await self.db.execute(DELETE_DEFINITIONS, project)
