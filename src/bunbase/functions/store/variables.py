"""SQL of a project's variables. The database holds only values that BunKMS has encrypted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from bunbase.functions.store.functions import CHANNEL, LOCK_PROJECT, TELL
from bunbase.pkg.db.database import Database

VARIABLES = "SELECT name, sealed, updated_at, exposed FROM variables WHERE project = $1 ORDER BY name"
REVISION = "SELECT revision FROM environments WHERE project = $1"
COUNT_OTHERS = "SELECT count(*) FROM variables WHERE project = $1 AND name <> $2"
SET = """
INSERT INTO variables (project, name, sealed, updated_at, exposed) VALUES ($1, $2, $3, $4, coalesce($5, true))
ON CONFLICT (project, name) DO UPDATE
SET sealed = excluded.sealed, updated_at = excluded.updated_at, exposed = coalesce($5, variables.exposed)
RETURNING exposed"""
DELETE = "DELETE FROM variables WHERE project = $1 AND name = $2"
ADVANCE = """
INSERT INTO environments (project, revision) VALUES ($1, 1)
ON CONFLICT (project) DO UPDATE SET revision = environments.revision + 1"""
DELETE_VARIABLES = "DELETE FROM variables WHERE project = $1"
DELETE_ENVIRONMENT = "DELETE FROM environments WHERE project = $1"


class SealedVariable(msgspec.Struct, frozen=True):
    name: str
    sealed: str
    updated_at: datetime
    exposed: bool


class NewVariable(msgspec.Struct, frozen=True):
    """A variable to store. `exposed`: None keeps the present setting. For a new variable, None means True."""

    name: str
    sealed: str
    updated_at: datetime
    exposed: bool | None


class VariableStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def variables(self, project: str) -> list[SealedVariable]:
        return await self.db.all(SealedVariable, VARIABLES, project)

    async def revision(self, project: str) -> int:
        return await self.db.value(REVISION, project) or 0

    async def set(self, project: str, variable: NewVariable, max_variables: int) -> bool | None:
        """Write a variable. Return whether it is exposed, or None if the project would have too many variables."""
        async with self._change(project):
            if await self.db.value(COUNT_OTHERS, project, variable.name) >= max_variables:
                return None
            row = (variable.name, variable.sealed, variable.updated_at, variable.exposed)
            exposed: bool = await self.db.value(SET, project, *row)
            await self.db.execute(ADVANCE, project)
        return exposed

    async def delete(self, project: str, name: str) -> bool:
        async with self._change(project):
            if not await self.db.execute(DELETE, project, name):
                return False
            await self.db.execute(ADVANCE, project)
        return True

    async def delete_all(self, project: str) -> None:
        async with self._change(project):
            await self.db.execute(DELETE_VARIABLES, project)
            await self.db.execute(DELETE_ENVIRONMENT, project)

    @asynccontextmanager
    async def _change(self, project: str) -> AsyncIterator[None]:
        async with self.db.transaction():
            await self.db.execute(LOCK_PROJECT, project)
            yield
            await self.db.execute(TELL, CHANNEL, f"{project} ")
