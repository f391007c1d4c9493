"""Tell Platform which keys were used: once a minute, not with each request.

A request only adds the id of its key to a set. If the process crashes, the uses of the last minute are lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from bunbase.contracts.keys import UsedKey
from bunbase.contracts.platform import Platform
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("gateway")

FLUSH_SECONDS: Final = 60.0
MAX_REPORTED: Final = 1000  # One call reports at most this many keys.


class KeyUse:
    def __init__(self, platform: Platform, now: Callable[[], float] = time.time) -> None:
        self.platform = platform
        self.now = now
        self.used: set[str] = set()

    def note(self, id: str) -> None:
        self.used.add(id)

    async def flush(self) -> None:
        """Report all keys that were used since the last report. The next report includes a report that failed."""
        used, self.used = sorted(self.used), set()
        at = self.now()
        for first in range(0, len(used), MAX_REPORTED):
            part = used[first : first + MAX_REPORTED]
            try:
                await self.platform.keys_used(tuple(UsedKey(id, at) for id in part))
            except Problem as problem:
                self.used.update(used[first:])
                log.info("the use of keys could not be reported yet", reason=problem.detail)
                return
