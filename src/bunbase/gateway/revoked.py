"""The list of revoked ids in this process, fed by one room, and the test whether that list is up to date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final

from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("gateway")

STALE_SECONDS: Final = 3.0  # A feed sends a heartbeat every second, so a longer silence means that it is broken.
RETRY_SECONDS: Final = 0.2
SINCE_BOOT: Final = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
PURGE_ABOVE: Final = 1000  # Shorter lists are not searched for expired entries.


class Revoked:
    """Follows one room's revocation feed. While `live()` is true, an id that is not in the list is valid. Otherwise,
    callers must ask the room itself."""

    def __init__(
        self,
        name: str,
        follow: Callable[[], AsyncIterator[Revocation]],
        on_news: Callable[[Revocation], None],
        clock: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = SINCE_BOOT,
    ) -> None:
        """`since_boot`: a clock that nobody can set back, and that continues while the machine is suspended."""
        self.name = name
        self.follow = follow
        self.on_news = on_news
        self.clock = clock
        self.since_boot = since_boot
        self.dead: dict[str, float] = {}
        self.purge_above = PURGE_ABOVE
        self.heard_at = 0.0
        self.ready = asyncio.Event()

    def live(self) -> bool:
        return self.ready.is_set() and self.since_boot() - self.heard_at < STALE_SECONDS

    def __contains__(self, id: str) -> bool:
        return id in self.dead

    async def run(self) -> None:
        """Follow the feed until cancelled. Reconnect whenever the feed breaks."""
        while True:
            try:
                async for told in self.follow():
                    self._take(told)
            except Problem as problem:
                log.warning("a revocation feed broke off", feed=self.name, reason=problem.detail)
            except Exception:
                log.exception("a revocation feed failed", feed=self.name)
            self.ready.clear()
            await asyncio.sleep(RETRY_SECONDS)

    def _take(self, told: Revocation) -> None:
        self.heard_at = self.since_boot()
        if told.kind is RevokedKind.READY:
            self.ready.set()
        elif told.kind is not RevokedKind.ALIVE:
            self.dead[told.id] = told.until
            self.on_news(told)
        if len(self.dead) > self.purge_above:
            self._purge()

    def _purge(self) -> None:
        """Drop expired entries. The next purge happens when the list is twice as long, so its cost stays small."""
        now = self.clock()
        self.dead = {id: until for id, until in self.dead.items() if until > now}
        self.purge_above = max(PURGE_ABOVE, 2 * len(self.dead))
