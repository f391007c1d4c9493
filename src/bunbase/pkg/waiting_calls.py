"""Calls that wait for the next change of their project. The process that makes the changes wakes them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bunbase.pkg.errors import Problem

T = TypeVar("T")


class WaitingCalls:
    """At most `most` calls may wait at once, because each of them keeps a request open. `too_many()`: the Problem for a
    further call.
    """

    def __init__(self, most: int, too_many: Callable[[], Problem]) -> None:
        self.most = most
        self.too_many = too_many
        self.waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self.count = 0

    async def first(
        self, project: str, seconds: float, look: Callable[[], Awaitable[T]], is_enough: Callable[[T], bool]
    ) -> T:
        """Return what `look` finds. If it is not enough, wait for the next change, at most `seconds`, and look again.

        Raises: the problem of `too_many`, and what `look` raises.
        """
        found = await look()
        if is_enough(found) or seconds <= 0:
            return found
        told = self.enter(project)
        try:
            found = await look()  # a change may have been made before `enter`
            if is_enough(found):
                return found
            async with asyncio.timeout(seconds):
                await told
        except TimeoutError:
            return found
        finally:
            self.leave(project, told)
        return await look()

    def enter(self, project: str) -> asyncio.Future[None]:
        """Return a future that is done at the project's next change.

        The caller must pass the future to `leave` afterwards. Raises: the problem of `too_many`.
        """
        if self.count >= self.most:
            raise self.too_many()
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting[project].add(told)
        self.count += 1
        return told

    def leave(self, project: str, told: asyncio.Future[None]) -> None:
        self.count -= 1
        waiting = self.waiting[project]
        waiting.discard(told)
        if not waiting:
            del self.waiting[project]

    def wake(self, project: str) -> None:
        """Wake all calls that wait for this project."""
        for told in self.waiting.get(project, ()):
            if not told.done():
                told.set_result(None)
