"""Limit the scans that run at the same time: a number for all projects, and a smaller number for each project."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.contracts.bundoc.problems import BundocBusy
from bunbase.pkg.context import seconds_left
from bunbase.pkg.sealed_sqlite.scanners import Scan

T = TypeVar("T")

WAITING_SHARE: Final = 0.5  # A scan may wait for this part of its time. With less time left, it would fail anyway.


class ScanTurns:
    """Runs scans in threads. `waiting`: the number of scans that wait for their turn.

    All projects share the queue. A further scan of a project may wait only if the queue has at least as many free
    places as scans of this project. So a project with many slow queries takes at most half of the queue, and never the
    last place.
    """

    def __init__(self, settings: BundocSettings) -> None:
        self.settings = settings
        self.pool = ThreadPoolExecutor(settings.scans, thread_name_prefix="bundoc-scan")
        self.all = asyncio.Semaphore(settings.scans)
        self.waiting = 0
        self.waiting_for: Counter[str] = Counter()  # This counts waiting scans by the path of the project's file.

    async def scan(self, file: ProjectFile, scan: Scan, work: Callable[[ProjectFile], T]) -> T:
        """Wait for a turn, then do `work` in a thread. If the caller is cancelled, the scan stops at once.

        Raises: BundocBusy, and apsw.InterruptError if the scan takes too long.
        """
        async with self._turn(file, scan):
            scanning = asyncio.get_running_loop().run_in_executor(self.pool, scan.do, work, file)
            try:
                return await asyncio.shield(scanning)
            except asyncio.CancelledError:
                scan.unwanted = True
                await _wait_for(scanning)  # This takes some milliseconds, and frees the thread.
                raise

    def new_scan(self) -> Scan:
        most = self.settings.read_seconds
        left = seconds_left(most)
        return Scan(time.monotonic() + left, by_caller=left < most)

    def close(self) -> None:
        self.pool.shutdown()

    @asynccontextmanager
    async def _turn(self, file: ProjectFile, scan: Scan) -> AsyncIterator[None]:
        if file.scan_turns.locked() or self.all.locked():
            await self._wait(file, scan)
        else:
            await file.scan_turns.acquire()
            await self.all.acquire()  # Nothing else has run in between, so `acquire` does not wait.
        try:
            yield
        finally:
            self.all.release()
            file.scan_turns.release()

    async def _wait(self, file: ProjectFile, scan: Scan) -> None:
        project, free = str(file.path), self.settings.queued_scans - self.waiting
        if free <= 0 or self.waiting_for[project] > free:  # This keeps half of the free places for other projects.
            raise _busy()
        self.waiting += 1
        self.waiting_for[project] += 1
        try:
            await asyncio.sleep(0)  # asyncio.timeout needs a task, and the fast lane begins without a task.
            async with asyncio.timeout((scan.until - time.monotonic()) * WAITING_SHARE):
                await file.scan_turns.acquire()
                try:
                    await self.all.acquire()
                except asyncio.CancelledError:
                    file.scan_turns.release()
                    raise
        except TimeoutError:
            raise _busy() from None
        finally:
            self.waiting -= 1
            self.waiting_for[project] -= 1
            if not self.waiting_for[project]:
                del self.waiting_for[project]


async def _wait_for(scanning: asyncio.Future[T]) -> None:
    while not scanning.done():
        try:
            await asyncio.wait((scanning,))
        except asyncio.CancelledError:
            continue  # The scan is cancelled again, but it is stopping already.
    scanning.exception()  # This marks the error as read, so that asyncio does not log it.


def _busy() -> BundocBusy:
    return BundocBusy(
        "Too many queries run at once; try again, or add an index that makes them faster.", retry_after_seconds=1
    )
