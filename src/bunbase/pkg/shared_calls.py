"""Calls whose result several callers wait for together, such as a request to a slow server.

A lock around the call was rejected. If the server did not answer, each caller would wait for all earlier callers, and
so for several times the deadline of one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SharedCalls(Generic[K, T]):
    """At most one call for each key is under way.

    If a call fails, all callers that wait for it get the exception, and the next caller starts a new call. If a caller
    leaves, the call continues for the other callers. The call must have its own deadline.
    """

    def __init__(self) -> None:
        self.under_way: dict[K, asyncio.Task[T]] = {}

    async def result(self, key: K, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the call under way for a key, or of a new call. Raises: the exceptions of `call`."""
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
                task.exception()  # The waiting callers get the exception. If there are none, asyncio would log it.

        return over
