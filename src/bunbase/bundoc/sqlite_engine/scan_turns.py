"""Who may scan now: a bounded number over all projects, and of them a bounded number for one project."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.contracts.bundoc import BundocBusy
from bunbase.pkg.context import seconds_left
from bunbase.pkg.sealed_sqlite.scanners import Scan

T = TypeVar("T")

WAITING_SHARE: Final = 0.5  # of a scan's time may pass before its turn: with less than that left it would fail anyway


class ScanTurns:
    def __init__(self, settings: BundocSettings) -> None:
        self.settings = settings
        self.pool = ThreadPoolExecutor(settings.scans, thread_name_prefix="bundoc-scan")
        self.all = asyncio.Semaphore(settings.scans)
        self.waiting = 0

    async def run(self, file: ProjectFile, scan: Scan, work: Callable[[ProjectFile], T]) -> T:
        """Do `work` in a thread when its turn has come. If the caller is cancelled, the scan stops at once.

        Raises: BundocBusy, apsw.InterruptError when it takes too long.
        """
        async with self._turn(file, scan):
            scanning = asyncio.get_running_loop().run_in_executor(self.pool, scan.do, work, file)
            try:
                return await asyncio.shield(scanning)
            except asyncio.CancelledError:
                scan.unwanted = True
                await _over(scanning)  # some milliseconds: the thread and the connection are free when this leaves
                raise

    def new_scan(self) -> Scan:
        return Scan(time.monotonic() + seconds_left(self.settings.read_seconds))

    def close(self) -> None:
        self.pool.shutdown()

    @asynccontextmanager
    async def _turn(self, file: ProjectFile, scan: Scan) -> AsyncIterator[None]:
        if file.scan_turns.locked() or self.all.locked():
            await self._wait(file, scan)
        else:
            await file.scan_turns.acquire()
            await self.all.acquire()  # neither waits: nothing else runs in between
        try:
            yield
        finally:
            self.all.release()
            file.scan_turns.release()

    async def _wait(self, file: ProjectFile, scan: Scan) -> None:
        if self.waiting >= self.settings.queued_scans:
            raise _busy()
        self.waiting += 1
        try:
            await asyncio.sleep(0)  # a coroutine begun by hand is in a task from here on, as a timeout wants it
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


async def _over(scanning: asyncio.Future[T]) -> None:
    while not scanning.done():
        try:
            await asyncio.wait((scanning,))
        except asyncio.CancelledError:
            continue  # told twice: it is stopping already
    scanning.exception()  # nobody is left to hear of it


def _busy() -> BundocBusy:
    return BundocBusy(
        "Too many queries run at once; try again, or add an index that makes them short.", retry_after_seconds=1
    )
