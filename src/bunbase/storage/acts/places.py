"""The places for uploads that run at the same time, and the uploads that wait for one, in the order of their arrival.

Clients of S3 send many small uploads at once and count on the server to take them one after the other. An upload that
may wait gets the next place that becomes free. Each wait has a deadline, and each project has a limited queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from bunbase.contracts.storage import TooManyUploads

MAX_WAITING: Final = 500  # uploads of one project that wait for a place


class Places:
    def __init__(self) -> None:
        self.waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def enter(self, project: str, wait_seconds: float, take: Callable[[], None]) -> None:
        """Call `take`, which takes a place or raises TooManyUploads; if it raises, wait for a place and call it again.

        Raises: TooManyUploads, if no place was free in time, or if too many uploads wait.
        """
        queue = self.waiting.setdefault(project, deque())
        try:
            if wait_seconds <= 0 or not queue:
                try:
                    take()
                    return
                except TooManyUploads:
                    if wait_seconds <= 0:
                        raise
            if len(queue) >= MAX_WAITING:
                raise TooManyUploads("Too many uploads of this project wait; try again.", retry_after_seconds=1)
            await self._wait(queue, wait_seconds, take)
        finally:
            if not queue and self.waiting.get(project) is queue:
                del self.waiting[project]

    def free(self, project: str) -> None:
        """Wake the upload that waits longest, because a place became free."""
        _wake_first(self.waiting.get(project, ()))

    async def _wait(self, queue: deque[asyncio.Future[None]], seconds: float, take: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        waiter = loop.create_future()
        queue.append(waiter)
        try:
            while True:
                try:
                    async with asyncio.timeout_at(end):
                        await waiter
                except TimeoutError:
                    raise TooManyUploads(
                        "No other upload of this project ended in time; try again.", retry_after_seconds=1
                    ) from None
                try:
                    take()
                    return
                except TooManyUploads:  # another upload was faster
                    again = loop.create_future()
                    queue[queue.index(waiter)] = again
                    waiter = again
        finally:
            was_woken = waiter.done() and not waiter.cancelled()
            queue.remove(waiter)
            if was_woken:
                _wake_first(queue)  # it finds out itself whether there is another place


def _wake_first(queue: Iterable[asyncio.Future[None]]) -> None:
    for waiter in queue:
        if not waiter.done():
            waiter.set_result(None)
            return
