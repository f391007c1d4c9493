"""Refused attempts in the audit log: the first attempt in each window is one entry, and all others of the window
together are a second entry.

Concern: a caller that may not do something can try it thousands of times in a second. An entry for each attempt would
let this caller fill the disk, and hide the other entries. Therefore the further attempts are only counted in memory. If
the process is killed, these counts are lost, but the first attempt of each window is stored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from bunbase.contracts.audit import ActorKind, AuditedAct
from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Platform
from bunbase.gateway.identity import in_time
from bunbase.pkg.logger import logger

log = logger("gateway")

WINDOW_SECONDS: Final = 60.0
MAX_WINDOWS: Final = 1000  # At most this many windows are open. Further callers share one window for each project.

Key = tuple[str, str, str]  # The key of a window consists of actor, project and action.
OTHERS: Final = ActorKind.ANONYMOUS.value


class Window:
    def __init__(self, caller: Caller, act: AuditedAct, ends_at: float) -> None:
        self.caller = caller
        self.act = act
        self.ends_at = ends_at
        self.counted = 0


class Refusals:
    def __init__(self, platform: Platform, clock: Callable[[], float] = time.monotonic) -> None:
        self.platform = platform
        self.clock = clock
        self.windows: dict[Key, Window] = {}

    async def note(self, caller: Caller, act: AuditedAct) -> None:
        """Store or count a refused attempt. Never raises, because the attempt is refused in any case."""
        key = (_actor(caller), caller.project, act.action)
        window = self.windows.get(key)
        if window is None and len(self.windows) >= MAX_WINDOWS:
            key = (OTHERS, caller.project, "")
            window = self.windows.get(key)
        if window is not None:
            window.counted += 1
            return
        self.windows[key] = Window(caller, act, self.clock() + WINDOW_SECONDS)
        await self._store(caller, act, 1)

    async def close_windows(self, all: bool = False) -> None:
        """Store one entry for the counted attempts of each window that has ended."""
        now = self.clock()
        for key, window in list(self.windows.items()):
            if all or window.ends_at <= now:
                del self.windows[key]
                if window.counted:
                    await self._store(window.caller, window.act, window.counted)

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[None]:
        """During the block, close each window when it ends. At the end of the block, close all windows."""
        task = asyncio.create_task(self._run(), name="refusals")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.close_windows(all=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(WINDOW_SECONDS / 4)
            await self.close_windows()

    async def _store(self, caller: Caller, act: AuditedAct, count: int) -> None:
        try:
            await in_time(self.platform.note_refusals(caller, act, count))
        except Exception as error:
            log.warning("a refusal is missing in the audit log", action=act.action, count=count, reason=repr(error))


def _actor(caller: Caller) -> str:
    return caller.developer.id if caller.developer else caller.key
