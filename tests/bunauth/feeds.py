"""Read the feed of revocations of a room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Protocol, cast

from bunbase.contracts.revocations import Revocation, RevokedKind

DEADLINE_SECONDS = 1.0  # The API promises that revocations arrive within a second.


class Revoking(Protocol):
    def revocations(self) -> AsyncIterator[Revocation]: ...


class Feed:
    def __init__(self, told: AsyncIterator[Revocation]) -> None:
        self.told = told

    async def next(self) -> Revocation:
        """Return the next revocation that is no heartbeat. Raises: TimeoutError after DEADLINE_SECONDS."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            async for one in self.told:
                if one.kind is not RevokedKind.ALIVE:
                    return one
        raise AssertionError("the feed has ended")


@asynccontextmanager
async def feed_of(room: Revoking) -> AsyncIterator[Feed]:
    async with aclosing(cast(AsyncGenerator[Revocation, None], room.revocations())) as told:
        yield Feed(told)
