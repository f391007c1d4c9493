"""Sends the waiting messages of sessions: each session at most once in a tick, in slices. Bytes that several
sessions need are built only once.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

from bunbase.gateway.live.outlet import Packed
from bunbase.pkg import metrics

TICK_SECONDS: Final = 0.003  # The shortest pause between two batches. A write holds messages and their barrier.
MOST_TICK_SECONDS: Final = 0.1
SLICE: Final = 64  # After this many written sessions, other work gets a turn. A write takes about 12 µs.


class Writing(Protocol):
    """A session with waiting messages."""

    def flush(self, packed: Packed | None) -> None: ...


class Writer:
    """Writes messages in batches. `commits`: the times of the commits whose differences leave with the next tick.

    While messages come faster than they can be written, the pause between two batches is equal to the time of the last
    batch. So requests get half of the time, and a write carries several messages.
    """

    def __init__(self) -> None:
        self.ready: dict[Writing, None] = {}
        self.task: asyncio.Task[None] | None = None
        self.commits: list[float] = []
        self.messages = self.writes = self.bytes = 0  # These numbers count since the last `report`.

    def report(self) -> None:
        """Add the writes to the metrics. A counter takes a lock, so it is not updated with each write."""
        metrics.live_messages.inc(self.messages)
        metrics.live_frames.inc(self.writes)
        metrics.live_bytes.inc(self.bytes)
        self.messages = self.writes = self.bytes = 0

    def note_commit(self, at: float) -> None:
        """Note that the differences of a commit leave with the next tick, if there is any. `at`: the time in Unix
        seconds.
        """
        if self.ready:
            self.commits.append(at)

    def add(self, session: Writing) -> None:
        self.ready[session] = None
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            pause = TICK_SECONDS
            while self.ready:
                await asyncio.sleep(pause)
                began = time.perf_counter()
                batch, self.ready = self.ready, {}
                commits, self.commits = self.commits, []
                packed: Packed = {}
                for count, session in enumerate(batch, 1):
                    session.flush(packed)
                    if count % SLICE == 0:
                        await asyncio.sleep(0)
                pause = min(MOST_TICK_SECONDS, max(TICK_SECONDS, time.perf_counter() - began))
                now = time.time()
                for at in commits:
                    metrics.live_commit_seconds.observe(max(0.0, now - at))
        finally:
            self.task = None
