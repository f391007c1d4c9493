"""The places for uploads that run at the same time, and the uploads that wait for one, in the order of their arrival.

Clients of S3 send many small uploads at once and count on the server to take them one after the other. An upload that
may wait gets the next place that becomes free. Each wait has a deadline, and each project has a limited queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from bunbase.contracts.storage import TooManyUploads
from bunbase.storage.shares import Holder

MAX_WAITING: Final = 500  # uploads of one project that wait for a place


class Waiter:
    """An upload that waits. `tried`: false if it has not asked for a place yet, because others were before it."""

    def __init__(self, holder: Holder, tried: bool) -> None:
        self.holder = holder
        self.tried = tried
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Places:
    def __init__(self) -> None:
        self.waiting: dict[str, deque[Waiter]] = {}

    async def enter(self, project: str, holder: Holder, wait_seconds: float, take: Callable[[], None]) -> None:
        """Call `take`, which takes a place or raises TooManyUploads; if it raises, wait for a place and call it again.

        A holder that has its share does not keep the places of others: an upload goes before those that wait for the
        share of their holder.

        Raises: TooManyUploads, if no place was free in time, or if too many uploads wait.
        """
        queue = self.waiting.setdefault(project, deque())
        try:
            # an upload that was woken must find its place
            tries = wait_seconds <= 0 or not any(one.woken.done() or one.holder == holder for one in queue)
            if tries:
                try:
                    take()
                    return
                except TooManyUploads:
                    if wait_seconds <= 0:
                        raise
            own = sum([one.holder == holder for one in queue])
            if len(queue) >= MAX_WAITING or own >= holder.share(MAX_WAITING):
                raise TooManyUploads("Too many uploads of this project wait; try again.", retry_after_seconds=1)
            await _wait(queue, Waiter(holder, tries), wait_seconds, take)
        finally:
            if not queue and self.waiting.get(project) is queue:
                del self.waiting[project]

    def free(self, project: str) -> None:
        """Wake the upload that waits longest, because a place became free."""
        _wake_first(self.waiting.get(project, ()))


async def _wait(queue: deque[Waiter], one: Waiter, seconds: float, take: Callable[[], None]) -> None:
    end = asyncio.get_running_loop().time() + seconds
    queue.append(one)
    took = False
    try:
        while not took:
            try:
                async with asyncio.timeout_at(end):
                    await one.woken
            except TimeoutError:
                raise TooManyUploads(
                    "No other upload of this project ended in time; try again.", retry_after_seconds=1
                ) from None
            one.tried = True
            try:
                take()
                took = True
            except TooManyUploads:  # its holder has its share, or another upload was faster: the next one may try
                one.woken = asyncio.get_running_loop().create_future()
                _wake_first(islice(queue, queue.index(one) + 1, None))
    finally:
        was_woken = one.woken.done() and not one.woken.cancelled()
        queue.remove(one)
        if took:
            _wake_first([other for other in queue if not other.tried])
        elif was_woken:
            _wake_first(queue)  # it finds out itself whether there is another place


def _wake_first(queue: Iterable[Waiter]) -> None:
    for one in queue:
        if not one.woken.done():
            one.woken.set_result(None)
            return
