"""The usage of files: the size of each project over time, and the bytes that were downloaded.

The size includes the parts of uploads that are not complete. It is looked up every SAMPLE_SECONDS. A project whose list
of objects has not been written since the last look has the same size, so that its file need not be opened. The time in
which the server does not run does not count.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.functions.service import Functions
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.files import modified_at
from bunbase.pkg.usage.batches import Batch, Receipt
from bunbase.pkg.usage.dimensions import Dimension
from bunbase.pkg.usage.writer import Writer
from bunbase.storage.holdings import Holdings
from bunbase.storage.store.blobs import totals

log = logger("storage")

SAMPLE_SECONDS: Final = 600.0
HOUR_SECONDS: Final = 3600


class Size(msgspec.Struct):
    """The size of a project. `changed_at`: the time of the last write at the last look. `rest`: byte-seconds that do
    not fill a byte-hour yet.
    """

    changed_at: int | None = None
    bytes: int = 0
    rest: int = 0


class FileMeter:
    """Counts the usage of files. `monotonic`: returns seconds on a clock that never goes back."""

    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, holdings: Holdings, functions: Functions) -> None:
        self.holdings = holdings
        self.functions = functions
        self.writer: Writer[None] = Writer(self._deliver, holdings.clock)
        self.sizes: dict[str, Size] = {}
        self.sampled_at: float | None = None

    def count_download(self, project: str, size: int) -> None:
        self.writer.usage.add(project, Dimension.EGRESS_BYTES, size)

    async def sample(self) -> None:
        """Add the size of each project, times the time since the last sample. The first sample only looks."""
        projects = await self.holdings.files.projects()
        now = self.monotonic()
        seconds = 0 if self.sampled_at is None else int(now - self.sampled_at)
        self.sampled_at = now
        self.sizes = {project: self.sizes.get(project, Size()) for project in projects}
        for project, size in list(self.sizes.items()):
            size.rest += size.bytes * seconds  # before the look: a new size counts from now on
            hours, size.rest = divmod(size.rest, HOUR_SECONDS)
            if hours:
                self.writer.usage.add(project, Dimension.FILE_BYTE_HOURS, hours)
            await self._look(project, size)

    async def _deliver(self, batch: Batch[None], sent: datetime) -> Receipt:
        return await self.functions.add_file_usage(batch, sent)  # looked up now, because Functions opens after Storage

    async def _look(self, project: str, size: Size) -> None:
        changed_at = await asyncio.to_thread(modified_at, self.holdings.files.directory / project)
        if changed_at is None or changed_at == size.changed_at:
            return
        try:
            async with self.holdings.files.using(project, create=False) as file:
                if file is not None:
                    size.bytes, size.changed_at = (await file.read(totals)).taken_bytes, changed_at
        except Problem as problem:
            log.warning("a project was not measured", project=project, reason=problem.detail)
