"""Listen to a room's revocations for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Protocol, cast

from bunbase.contracts.revocations import Revocation, RevokedKind

DEADLINE_SECONDS = 1.0  # what the API promises


class Revoking(Protocol):
    def revocations(self) -> AsyncIterator[Revocation]: ...


class Feed:
    def __init__(self, told: AsyncIterator[Revocation]) -> None:
        self.told = told

    async def next(self) -> Revocation:
        """Give what is told next, heartbeats aside; fails after a second."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            async for one in self.told:
                if one.kind is not RevokedKind.ALIVE:
                    return one
        raise AssertionError("the feed has ended")


@asynccontextmanager
async def feed_of(room: Revoking) -> AsyncIterator[Feed]:
    async with aclosing(cast(AsyncGenerator[Revocation, None], room.revocations())) as told:
        yield Feed(told)
