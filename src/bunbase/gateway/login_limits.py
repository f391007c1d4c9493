"""Wrong passwords are counted per address and per account; too many, and sign-in there pauses for a while."""

from __future__ import annotations

import math
import time
from typing import Final

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from bunbase.pkg.errors import RateLimited

ADDRESS, ACCOUNT = "address", "account"
MAX_EMAIL: Final = 254


class LoginLimits:
    """Counts are this process's own. Only failures count, so that a busy office signs in undisturbed."""

    def __init__(self, failures_per_minute: int) -> None:
        self.item = RateLimitItemPerMinute(failures_per_minute)
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    async def check(self, pool: str, ip: str, email: str) -> None:
        """Raises: RateLimited with `retry_after_seconds`, alike whether or not the account exists."""
        for names in _names(pool, ip, email):
            if not await self.limiter.test(self.item, *names):
                window = await self.limiter.get_window_stats(self.item, *names)
                wait = max(1, math.ceil(window.reset_time - time.time()))
                raise RateLimited(f"Too many wrong passwords; try again in {wait} s.", retry_after_seconds=wait)

    async def failed(self, pool: str, ip: str, email: str) -> None:
        for names in _names(pool, ip, email):
            await self.limiter.hit(self.item, *names)


def _names(pool: str, ip: str, email: str) -> tuple[tuple[str, str, str], ...]:
    return ((ADDRESS, pool, ip), (ACCOUNT, pool, email.strip().lower()[:MAX_EMAIL]))
