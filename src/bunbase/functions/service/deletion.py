"""Deletes a function, or all data of a project in Functions. Pauses a project that may be deleted later."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.functions.problems import FunctionIsHook
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.functions.logs.buffer import LogBuffer
from bunbase.functions.logs.stack_traces import StackTraces
from bunbase.functions.service.existing import existing_version
from bunbase.functions.store import Stores
from bunbase.functions.usage.meter import Meter
from bunbase.functions.versions.environments import Environments
from bunbase.functions.versions.rollout import Rollout

SHOWN: Final = 5  # An error message names at most this many collections.


class Deletion:
    def __init__(
        self,
        stores: Stores,
        rollout: Rollout,
        environments: Environments,
        stack_traces: StackTraces,
        meter: Meter,
        log_lines: LogBuffer,
        users: TenantAuth,
        bundoc: Bundoc,
    ) -> None:
        self.stores = stores
        self.rollout = rollout
        self.environments = environments
        self.stack_traces = stack_traces
        self.meter = meter
        self.log_lines = log_lines
        self.users = users
        self.bundoc = bundoc

    async def delete_function(self, caller: Caller, name: str) -> None:
        """Delete a function. Raises: FunctionNotFound, FunctionIsHook."""
        caller.check(Act.FUNCTION_DELETE)
        project = caller.project
        await existing_version(self.stores.functions, project, name)
        if hooks := await self.users.hooks_of_function(project, name):
            raise FunctionIsHook(
                f"{name} is the hook {', '.join(hooks)} of the project: without it, nobody could sign up or sign in. "
                "Change the setting hooks first."
            )
        server = Caller(CallerKind.SECRET, project=project)
        if asking := [
            one.name
            for one in await self.bundoc.collections(server)
            if one.before_write is not None and one.before_write.function == name
        ]:
            raise FunctionIsHook(
                f"{name} is asked before writes to {', '.join(asking[:SHOWN])}: without it, nothing could be written "
                "there. Remove before_write from these collections first."
            )
        await self.stores.functions.delete(project, name)
        await self.rollout.withdraw(project, name)
        self.stack_traces.forget(project, name)
        await self.stores.logs.delete_function(project, name)
        await self.stores.hours.delete_function(project, name)

    async def pause_project(self, project: str, paused: bool) -> None:
        """Prevent new runs of the project, or allow them again. Runs that have begun continue."""
        await self.stores.functions.pause(project, paused)
        await self.rollout.replace_outdated(project)

    async def drop_project(self, project: str) -> None:
        """Delete the project's functions, variables, logs and statistics.

        The usage of the project stays, because the bill needs it.
        """
        await self.stores.functions.delete_all(project)
        await self.stores.variables.delete_all(project)
        await self.stores.kept_calls.delete_all(project)
        await self.stores.walks.delete_all(project)
        self.rollout.end_project(project)
        self.environments.forget(project)
        # The usage for the bill is written now, because a later batch would also restore deleted statistics.
        await self.meter.flush()
        await self.stores.hours.delete_project(project)
        await self.log_lines.flush()
        await self.stores.logs.delete_project(project)
