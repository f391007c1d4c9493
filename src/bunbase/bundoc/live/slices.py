"""Let other work run in the event loop after each 2 ms of evaluation."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

SLICE_SECONDS: Final = 0.002


class Slices:
    def __init__(self) -> None:
        self.began = perf_counter()

    async def turn(self) -> bool:
        """Let other work run if 2 ms have passed. Call this function between two steps of work.

        Return True if it let other work run.
        """
        if perf_counter() - self.began <= SLICE_SECONDS:
            return False
        await asyncio.sleep(0)
        self.began = perf_counter()
        return True
