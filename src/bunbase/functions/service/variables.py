"""Lists, reveals, sets and deletes the variables of a project."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.functions.problems import VariableNotFound
from bunbase.contracts.functions.variables import Variable, Variables
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store.variables import NewVariable, VariableStore
from bunbase.functions.versions.environments import Environments
from bunbase.functions.versions.names import check_variable_name, could_be_variable
from bunbase.functions.versions.rollout import Rollout
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.logger import logger

log = logger("functions")

MAX_VALUE_BYTES: Final = 32 << 10


class ProjectVariables:
    def __init__(
        self,
        store: VariableStore,
        environments: Environments,
        rollout: Rollout,
        clock: Clock,
        settings: FunctionsSettings,
    ) -> None:
        self.store = store
        self.environments = environments
        self.rollout = rollout
        self.clock = clock
        self.settings = settings

    async def variables(self, caller: Caller, reveal: bool) -> Variables:
        caller.check(Act.VARIABLE_REVEAL if reveal else Act.VARIABLE_READ)
        sealed = await self.store.variables(caller.project)
        if not reveal:
            return Variables(tuple(Variable(one.name, one.updated_at, exposed=one.exposed) for one in sealed))
        log.info("variables revealed", project=caller.project, developer=caller.signed_in().id)
        values = await self.environments.unseal(caller.project, sealed)
        return Variables(
            tuple(
                Variable(one.name, one.updated_at, value, one.exposed)
                for one, value in zip(sealed, values, strict=True)
            )
        )

    async def set_variable(self, caller: Caller, name: str, value: str, exposed: bool | None = None) -> Variable:
        caller.check(Act.VARIABLE_SET)
        check_variable_name(name)
        _check_value(value)
        sealed = await self.environments.seal(caller.project, name, value)
        row = NewVariable(name, sealed, self.clock.now(), exposed)
        limit = self.settings.max_variables_per_project
        stored = await self.store.set(caller.project, row, limit)
        if stored is None:
            raise InvalidInput(f"The project has {limit} variables, which is the limit. Unset a variable first.")
        await self.rollout.replace_outdated(caller.project)
        return Variable(name, row.updated_at, exposed=stored)

    async def delete_variable(self, caller: Caller, name: str) -> None:
        caller.check(Act.VARIABLE_DELETE)
        if not (could_be_variable(name) and await self.store.delete(caller.project, name)):
            raise VariableNotFound(f"The project has no variable {name}.")
        await self.rollout.replace_outdated(caller.project)


def _check_value(value: str) -> None:
    if len(value.encode()) > MAX_VALUE_BYTES or "\0" in value:
        raise InvalidInput.at("/value", f"A value may have at most {MAX_VALUE_BYTES >> 10} KiB, and no NUL character.")
