"""Calls that several callers wait for together, such as a request to a slow server.

Rejected: a lock around the call. If the server is silent, each caller then waits for all callers before it, and so for
a multiple of the deadline of one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SharedCalls(Generic[K, T]):
    """At most one call for each key is under way.

    A failure goes to all who wait for it, and the next caller tries again. A caller that leaves stops nobody. The call
    needs a deadline of its own.
    """

    def __init__(self) -> None:
        self.under_way: dict[K, asyncio.Task[T]] = {}

    async def result(self, key: K, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the call that is under way for a key, or else of a new one. Raises: as `call`."""
        task = self.under_way.get(key)
        if task is None:
            task = asyncio.create_task(call())
            self.under_way[key] = task
            task.add_done_callback(self._over(key))
        return await asyncio.shield(task)

    def _over(self, key: K) -> Callable[[asyncio.Task[T]], None]:
        def over(task: asyncio.Task[T]) -> None:
            del self.under_way[key]
            if not task.cancelled():
                task.exception()  # those who wait get it; without them, asyncio would log it as lost

        return over
