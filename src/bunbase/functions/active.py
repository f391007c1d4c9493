"""Which version a call runs: remembered, so that a warm call asks no database.

A change made by another process is heard over PostgreSQL's NOTIFY, within milliseconds of its commit; polling would
cost a query a second per function and still be late. While nobody listens, nothing is remembered. The lifetime is for
a connection that died without a word: then a change is seen that much later at worst.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from bunbase.contracts.functions import FunctionNotFound
from bunbase.functions.names import could_be_function
from bunbase.functions.workers.deployment import Deployment
from bunbase.pkg.cache import Cache

SIZE: Final = 10_000
TTL_SECONDS: Final = 10.0

LookUp = Callable[[str, str], Awaitable[Deployment | None]]


class Remembered(msgspec.Struct, frozen=True):
    """`deployment` is None for a name that stands for nothing: that is worth remembering too."""

    project: str
    deployment: Deployment | None


class ActiveVersions:
    def __init__(self, look_up: LookUp) -> None:
        self.look_up = look_up
        self.cache: Cache[tuple[str, str], Remembered] = Cache(SIZE, TTL_SECONDS)
        self.live = False
        self.epoch = 0  # what was looked up before a change is not remembered after it

    async def find(self, project: str, name: str) -> Deployment:
        """Raises: FunctionNotFound."""
        if not could_be_function(name) or "\0" in project:
            raise FunctionNotFound("No function can have this name.")
        remembered = self.cache.get((project, name)) if self.live else None
        if remembered is None:
            await asyncio.sleep(0)  # the fast lane begins outside of a task; a question to PostgreSQL needs one
            epoch = self.epoch
            remembered = Remembered(project, await self.look_up(project, name))
            if self.live and epoch == self.epoch:
                self.cache.put((project, name), remembered)
        if remembered.deployment is None:
            raise FunctionNotFound(f"The project has no function {name}; deploy it first.")
        return remembered.deployment

    def forget(self, project: str, name: str = "") -> None:
        """Drop what is remembered of a function, or of all of a project's."""
        self.epoch += 1
        if name:
            self.cache.drop((project, name))
        else:
            self.cache.drop_where(lambda remembered: remembered.project == project)

    def listening(self) -> None:
        """From now on every change is heard."""
        self.forget_all()
        self.live = True

    def deaf(self) -> None:
        self.live = False
        self.forget_all()

    def forget_all(self) -> None:
        self.epoch += 1
        self.cache.clear()
