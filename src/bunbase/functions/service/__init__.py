"""The rules of Functions, one file per verb."""

from __future__ import annotations

from bunbase.functions.service.deploy import Deploying
from bunbase.functions.service.environment import Environment
from bunbase.functions.service.invoke import Invoking
from bunbase.functions.service.logs import Logging
from bunbase.functions.service.statistics import Statistics
from bunbase.functions.service.triggers import Triggering
from bunbase.functions.service.upkeep import Upkeep


class FunctionsService(Triggering, Deploying, Invoking, Logging, Statistics, Environment, Upkeep):
    """The whole contract."""

    async def sandbox_layers(self) -> tuple[str, ...]:
        return await self.starter.sandbox.layers()
