"""What every verb works with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import msgspec

from bunbase.contracts.bundoc import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.function_logs import LogLevel
from bunbase.contracts.functions import FunctionNotFound, Version
from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.functions.active import ActiveVersions
from bunbase.functions.egress.fetcher import Fetcher
from bunbase.functions.environment import Environments
from bunbase.functions.followers import Followers
from bunbase.functions.host_calls.desk import Desk
from bunbase.functions.loadable import Loadable
from bunbase.functions.log_buffer import LogBuffer
from bunbase.functions.meter import Meter
from bunbase.functions.names import could_be_function
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.stack_traces import StackTraces
from bunbase.functions.store import Stores
from bunbase.functions.triggers.feeds import Feeds
from bunbase.functions.triggers.queue import Queue
from bunbase.functions.triggers.runner import Runner
from bunbase.functions.triggers.scheduler import Scheduler
from bunbase.functions.workers.deployment import Deployment, Said
from bunbase.functions.workers.pool import Pool
from bunbase.functions.workers.program import Program
from bunbase.functions.workers.starter import FindBun, Starter
from bunbase.functions.workers.upload import Upload
from bunbase.functions.workers.zygote import Zygote
from bunbase.pkg.clock import Clock


class Others(msgspec.Struct, frozen=True):
    """What Functions needs of the other rooms, and the way to the network."""

    kms: Kms
    bundoc: Bundoc
    users: TenantAuth
    fetcher: Fetcher


class Parts:
    def __init__(
        self, stores: Stores, others: Others, find_bun: FindBun, clock: Clock, settings: FunctionsSettings
    ) -> None:
        self.stores = stores
        self.clock = clock
        self.settings = settings
        self.environments = Environments(stores.variables, others.kms)
        self.queue = Queue(stores.jobs, clock, settings.max_jobs_per_project, lambda: self.runner.wake())
        self.desk = Desk(others.bundoc, others.users, others.fetcher, self.variables_of, self.queue, self.warn)
        self.active = ActiveVersions(stores.functions.deployment)
        self.loadable = Loadable(stores.functions.loaded)
        self.stack_traces = StackTraces(stores.functions.source_map)
        self.log_lines = LogBuffer(stores.logs.add_once, clock, self.stack_traces.translated)
        self.meter = Meter(stores.hours.add, clock)
        self.followers = Followers()
        self.starter = Starter(Zygote(), find_bun, settings)
        self.pool = Pool(self.starter, self.program, self.log_lines.say, settings, self.meter.ended, self.meter.died)
        self.uploads: dict[tuple[str, str], Upload] = {}  # by project and invocation
        self.bundoc = others.bundoc
        self.runner = Runner(stores, others.bundoc, self.active.find, self.pool.start, clock, settings)
        self.scheduler = Scheduler(self.runner)
        self.feeds = Feeds(self.runner, self.queue, others.bundoc, self.warn)

    async def existing(self, project: str, name: str) -> Version:
        """Give the function's active version. Raises: FunctionNotFound."""
        found = await self.stores.functions.active_version(project, name) if could_be_function(name) else None
        if found is None:
            raise FunctionNotFound(f"The project has no function {name}.")
        return found

    async def program(self, deployment: Deployment) -> Program:
        """Give what a new worker is to load. Raises: FunctionNotFound if the version was deleted meanwhile."""
        env = await self.environments.values(deployment.project, deployment.environment)
        loaded = await self.loadable.of(deployment)
        if loaded is None:
            raise FunctionNotFound("This version was deleted.")
        return Program(loaded.code, env.exposed, self.desk, loaded.bytecode)

    async def variables_of(self, deployment: Deployment) -> Mapping[str, str]:
        return (await self.environments.values(deployment.project, deployment.environment)).all

    async def warn(self, project: str, name: str, text: str) -> None:
        """Write into the log of a function, if it is still there."""
        with suppress(FunctionNotFound):
            self.log_lines.say(Said(await self.active.find(project, name), "", LogLevel.WARN, text))

    async def changed(self, project: str, name: str = "") -> None:
        """Forget what was remembered, and let workers of what is no longer current end after their calls."""
        self.active.forget(project, name)
        for deployment in self.pool.deployments(project, name):
            if await self.stores.functions.deployment(project, deployment.name) == deployment:
                self.pool.keep(deployment)
            else:
                self.pool.retire(deployment)
