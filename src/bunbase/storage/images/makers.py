"""The turns of projects whose images are being changed, the queue, and the deadline of one image."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from bunbase.contracts.images import ImagesBusy, ImagesUnavailable, ImageTooLarge, NotAnImage
from bunbase.pkg import metrics
from bunbase.pkg.logger import logger
from bunbase.pkg.shares import Shares, Turns
from bunbase.storage.images.forks import Forks, ProcessDied
from bunbase.storage.images.orders import Made, Order, Refusal

log = logger("storage")

MOST_WAITING: Final = 64  # images of all projects that wait for a turn, of which other projects always have a part
MOST_WAITING_OF_ONE: Final = 16  # images of one project that wait for a turn
TURN_SECONDS: Final = 10.0
WORK_SECONDS: Final = 10.0
ATTEMPTS: Final = 2  # the first process may have been killed for another reason than its image

Content = Callable[[], AsyncIterator[bytes]]  # the bytes of an image, from the beginning at each call


class Makers:
    """Makes variants, at most `most` at the same time. Projects take turns, and one project never has all places.

    `most`: 0 to make no variants at all. `work_seconds`: the limit of one image.
    """

    work_seconds: float = WORK_SECONDS
    turn_seconds: float = TURN_SECONDS

    def __init__(self, forks: Forks, most: int) -> None:
        self.forks = forks
        self.most = most
        self.turns = Turns(max(1, most))
        self.waiting = Shares(MOST_WAITING)

    async def make(self, project: str, order: Order, size: int, content: Content) -> tuple[Made, bytes]:
        """Return a variant of an image of `size` bytes.

        Raises: NotAnImage, ImageTooLarge, ImagesBusy, ImagesUnavailable, and what `content` raises.
        """
        if not self.most:
            raise ImagesUnavailable("Images are turned off here: the setting storage.image_workers is 0.")
        async with self._turn(project):
            try:
                with metrics.storage_image_seconds.time():
                    async with asyncio.timeout(self.work_seconds):
                        made = await self._attempted(order, size, content)
            except Refusal as refusal:
                metrics.storage_images.labels(refusal.why).inc()
                problem = ImageTooLarge if refusal.why == "large" else NotAnImage
                raise problem(refusal.detail) from None
            except TimeoutError:
                metrics.storage_images.labels("late").inc()
                raise ImageTooLarge(f"The image takes longer than {self.work_seconds:g} seconds.") from None
            except ProcessDied as fault:
                metrics.storage_images.labels("died").inc()
                log.warning("the process of an image died", reason=str(fault)[:300])
                raise NotAnImage("The image could not be read: it needs too much memory, or is damaged.") from None
        metrics.storage_images.labels("made").inc()
        return made

    async def close(self) -> None:
        await self.forks.close()

    async def _attempted(self, order: Order, size: int, content: Content) -> tuple[Made, bytes]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self.forks.make(order, size, content())
            except ProcessDied:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError

    @asynccontextmanager
    async def _turn(self, project: str) -> AsyncIterator[None]:
        """Wait for a turn, and keep it during the block. Raises: ImagesBusy."""
        if self.waiting.by_user[project] >= MOST_WAITING_OF_ONE or not self.waiting.allows(project):
            metrics.storage_images.labels("busy").inc()
            raise ImagesBusy("Too many images wait; try again.", retry_after_seconds=1)
        async with AsyncExitStack() as stack:
            self.waiting.add(project)
            try:
                async with asyncio.timeout(self.turn_seconds):
                    await stack.enter_async_context(self.turns.turn(project))
            except TimeoutError:
                metrics.storage_images.labels("busy").inc()
                raise ImagesBusy(
                    "No image before this one was finished in time; try again.", retry_after_seconds=5
                ) from None
            finally:
                self.waiting.remove(project)
            yield
