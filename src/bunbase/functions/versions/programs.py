"""Builds the program of a new worker: its code, its exposed variables, and the host, which answers its requests."""

from __future__ import annotations

from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.functions.versions.environments import Environments
from bunbase.functions.versions.loadable import Loadable
from bunbase.functions.workers.asks import Host
from bunbase.functions.workers.deployment import Deployment
from bunbase.functions.workers.program import Program


class Programs:
    def __init__(self, loadable: Loadable, environments: Environments, host: Host) -> None:
        self.loadable = loadable
        self.environments = environments
        self.host = host

    async def load(self, deployment: Deployment) -> Program:
        """Return the program of a version. Raises: FunctionNotFound if the version was deleted meanwhile."""
        values = await self.environments.values(deployment.project, deployment.environment)
        loaded = await self.loadable.load(deployment)
        if loaded is None:
            raise FunctionNotFound("This version was deleted.")
        return Program(loaded.code, values.exposed, self.host, loaded.bytecode)
