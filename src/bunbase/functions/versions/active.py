"""Caches which version of a function is active, so that a warm call needs no query to the database.

PostgreSQL's NOTIFY announces changes by other processes within milliseconds of the commit. Polling was rejected: it
would cost a query per second for each function, and would be slower. While the connection for NOTIFY is down, this
module caches nothing. If the connection breaks without an error, a change takes effect after at most TTL_SECONDS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.functions.versions.names import could_be_function
from bunbase.functions.workers.deployment import Deployment
from bunbase.pkg.cache import Cache

SIZE: Final = 10_000
TTL_SECONDS: Final = 10.0

LookUp = Callable[[str, str], Awaitable[Deployment | None]]


class RememberedVersion(msgspec.Struct, frozen=True):
    """An entry of the cache. `deployment`: None if the function does not exist. This result is cached too."""

    project: str
    deployment: Deployment | None


class ActiveVersions:
    """The cache. `look_up(project, name)`: reads the active version from the database."""

    def __init__(self, look_up: LookUp) -> None:
        self.look_up = look_up
        self.cache: Cache[tuple[str, str], RememberedVersion] = Cache(SIZE, TTL_SECONDS)
        self.live = False
        # The epoch increases with each change. If it has increased during a look-up, the result is not cached.
        self.epoch = 0

    async def find(self, project: str, name: str) -> Deployment:
        """Return the active version of a function. Raises: FunctionNotFound."""
        if not could_be_function(name) or "\0" in project:
            raise FunctionNotFound("No function can have this name.")
        remembered = self.cache.get((project, name)) if self.live else None
        if remembered is None:
            await asyncio.sleep(0)  # Fast routes begin outside of a task, and a query to PostgreSQL needs a task.
            epoch = self.epoch
            remembered = RememberedVersion(project, await self.look_up(project, name))
            if self.live and epoch == self.epoch:
                self.cache.put((project, name), remembered)
        if remembered.deployment is None:
            raise FunctionNotFound(f"The project has no function {name}; deploy it first.")
        return remembered.deployment

    def forget(self, project: str, name: str = "") -> None:
        """Forget one function, or all functions of a project if `name` is empty."""
        self.epoch += 1
        if name:
            self.cache.drop((project, name))
        else:
            self.cache.drop_where(lambda remembered: remembered.project == project)

    def begin_remembering(self) -> None:
        """Start caching. The caller guarantees that this process receives every later change."""
        self.forget_all()
        self.live = True

    def stop_remembering(self) -> None:
        self.live = False
        self.forget_all()

    def forget_all(self) -> None:
        self.epoch += 1
        self.cache.clear()
