"""Wait until a condition is true, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 10.0


async def eventually(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not become true in time"
        await asyncio.sleep(0.005)


async def until_true(ask: Callable[[], Awaitable[object]], seconds: float = PATIENCE_SECONDS) -> None:
    """Call the condition until it is true. Raises: TimeoutError, if the condition does not become true in time."""
    async with asyncio.timeout(seconds):
        while not await ask():
            await asyncio.sleep(0.005)
