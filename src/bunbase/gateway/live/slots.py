"""Places for calls that may take long. No project can hold the places of all others."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Waiter = asyncio.Future[None]


class Slots:
    """`most`: calls at once. `most_of_one`: calls of one project at once.

    A project without a running call gets a place even if none is left, so it never waits for the calls of others. The
    projects that wait take turns.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self.most = most
        self.most_of_one = most_of_one
        self.running: Counter[str] = Counter()
        self.count = 0
        self.waiting: OrderedDict[str, deque[Waiter]] = OrderedDict()  # in the order of their turns

    @asynccontextmanager
    async def of(self, project: str) -> AsyncIterator[None]:
        """Hold a place during the block."""
        await self._enter(project)
        try:
            yield
        finally:
            self._leave(project)

    async def _enter(self, project: str) -> None:
        if project not in self.waiting and self._has_room(project):
            self._take(project)
            return
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(project, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self._leave(project)  # it has got a place in the same turn of the event loop
            raise

    def _has_room(self, project: str) -> bool:
        mine = self.running[project]
        return mine == 0 or (mine < self.most_of_one and self.count < self.most)

    def _take(self, project: str) -> None:
        self.running[project] += 1
        self.count += 1

    def _leave(self, project: str) -> None:
        self.count -= 1
        self.running[project] -= 1
        if not self.running[project]:
            del self.running[project]
        for waiting in list(self.waiting):
            if self._has_room(waiting):
                self._wake(waiting)

    def _wake(self, project: str) -> None:
        """Let the first call of a project begin that was not cancelled, if there is one."""
        waiters = self.waiting.pop(project)
        while waiters:
            waiter = waiters.popleft()
            if not waiter.cancelled():
                self._take(project)
                waiter.set_result(None)
                break
        if waiters:
            self.waiting[project] = waiters  # behind the other projects
