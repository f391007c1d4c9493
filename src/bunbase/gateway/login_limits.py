"""Wrong passwords are counted per address and per account; too many, and sign-in there pauses for a while."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from bunbase.pkg.addresses import MAX_LENGTH, email_or_none
from bunbase.pkg.errors import RateLimited

DEVELOPERS: Final = "developers"
SERVICES: Final = "services"
ADDRESS, ACCOUNT = "address", "account"

Name = tuple[str, str, str]


@dataclass
class Attempt:
    failed: bool = False


class LoginLimits:
    """Counts are this process's own. Only failures count, so that a busy office signs in undisturbed."""

    def __init__(self, failures_per_minute: int) -> None:
        self.item = RateLimitItemPerMinute(failures_per_minute)
        self.limiter = MovingWindowRateLimiter(MemoryStorage())
        self.under_way: Counter[Name] = Counter()
        self.settled = asyncio.Condition()

    @asynccontextmanager
    async def attempt(self, pool: str, ip: str, email: str) -> AsyncIterator[Attempt]:
        """Sign in inside the block, and say if it failed.

        Never are more attempts under way than may still fail: the others wait their turn, or a thousand guesses sent
        at once would all be let in before the first is found wrong.
        Raises: RateLimited with `retry_after_seconds`, alike whether or not the account exists.
        """
        names = ((ADDRESS, pool, ip), (ACCOUNT, pool, email_or_none(email) or email[:MAX_LENGTH]))
        async with self.settled:
            while not await self._may_begin(names):
                await self.settled.wait()
            self.under_way.update(names)
        attempt = Attempt()
        try:
            yield attempt
        finally:
            async with self.settled:
                await self._settle(names, attempt)
                self.settled.notify_all()

    async def _may_begin(self, names: tuple[Name, ...]) -> bool:
        """Raises: RateLimited."""
        for name in names:
            window = await self.limiter.get_window_stats(self.item, *name)
            if window.remaining <= 0:
                wait = max(1, math.ceil(window.reset_time - time.time()))
                raise RateLimited(f"Too many wrong passwords; try again in {wait} s.", retry_after_seconds=wait)
            if window.remaining <= self.under_way[name]:
                return False
        return True

    async def _settle(self, names: tuple[Name, ...], attempt: Attempt) -> None:
        self.under_way.subtract(names)
        self.under_way += Counter()  # forget those at zero
        if attempt.failed:
            for name in names:
                await self.limiter.hit(self.item, *name)


def users_of(key: bytes) -> str:
    """Give the name of the pool of end users that a project key, here as its fingerprint, opens."""
    return f"users:{key.hex()[:16]}"
