"""Delete the blobs that no object needs.

`sweep` deletes the blobs of deleted and replaced objects, after the time of the setting, in projects that had a
deletion. `sweep_everything` visits every project, and also deletes orphans: blobs of uploads that ended with a crash.

While the files of a project are copied, no blob is deleted that was still needed when the copy began. While they are
restored, no blob of the project is deleted.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from bunbase.contracts.storage_copies import HOLD_SECONDS
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger
from bunbase.storage.acts.uploads import Uploads
from bunbase.storage.blobs.store import BlobMissing
from bunbase.storage.holdings import Holdings
from bunbase.storage.store.blobs import due_blobs, forget_blobs, totals, unknown_blobs
from bunbase.storage.store.file import ProjectFile
from bunbase.storage.store.multipart import end_multipart, expired_multiparts
from bunbase.storage.store.resumable import expired_resumables, forget_finished
from bunbase.storage.store.variants import drop_old_variants

log = logger("storage")

BATCH: Final = 500


class Copied(msgspec.Struct):
    """A copy that is being read. `since`: milliseconds since 1970. `until`: the end of the hold on the monotonic clock;
    each read of the copy moves it.
    """

    since: int
    until: float


class Sweeping:
    """Deletes blobs that no object needs. `noted`: projects with deleted objects, whose blobs may still be stored.
    `copied`: projects that are being copied. `stopped`: projects that are being restored. `used`: blobs of variants
    that are being read.

    `monotonic`: returns seconds on a clock that never goes back.
    """

    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, holdings: Holdings, uploads: Uploads) -> None:
        self.holdings = holdings
        self.uploads = uploads
        self.noted: set[str] = set()
        self.copied: dict[str, Copied] = {}
        self.stopped: set[str] = set()
        self.used: Counter[str] = Counter()
        self.locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def begin_copy(self, project: str) -> None:
        """Keep all blobs that are needed now. A sweep that has chosen blobs already ends first."""
        async with self._lock(project):
            now = self.holdings.now_ms()
            self.copied[project] = Copied(now, self.monotonic() + HOLD_SECONDS)

    def renew_copy(self, project: str) -> None:
        if (copied := self.copied.get(project)) is not None:
            copied.until = self.monotonic() + HOLD_SECONDS

    def end_copy(self, project: str) -> None:
        self.copied.pop(project, None)

    async def stop(self, project: str) -> None:
        """Delete no blob of the project until `go_on`. A sweep that has chosen blobs already ends first."""
        self.stopped.add(project)
        async with self._lock(project):
            return

    def go_on(self, project: str) -> None:
        self.stopped.discard(project)

    def note(self, project: str) -> None:
        self.noted.add(project)

    @contextmanager
    def in_use(self, blob: str) -> Iterator[None]:
        """Keep a blob during the block. Variants need this, because they do not wait before they are deleted."""
        self.used[blob] += 1
        try:
            yield
        finally:
            self.used[blob] -= 1
            if not self.used[blob]:
                del self.used[blob]

    async def sweep(self) -> None:
        """Delete the blobs that are due, in the noted projects."""
        for project in list(self.noted):
            await self._swept(project, orphans=False)

    async def sweep_everything(self) -> None:
        """Delete the blobs that are due, and orphans, in all projects.

        A project that fails does not stop the others.
        """
        for project in await self.holdings.files.projects():
            await self._swept(project, orphans=True)

    def _lock(self, project: str) -> asyncio.Lock:
        return self.locks.setdefault(project, asyncio.Lock())

    def _copied_since(self, project: str) -> int | None:
        copied = self.copied.get(project)
        if copied is not None and copied.until < self.monotonic():
            del self.copied[project]
            return None
        return None if copied is None else copied.since

    async def _swept(self, project: str, orphans: bool) -> None:
        async with self._lock(project):
            if project not in self.stopped:
                await self._sweep_project(project, orphans)

    async def _sweep_project(self, project: str, orphans: bool) -> None:
        try:
            async with self.holdings.files.using(project, create=False) as file:
                if file is None:
                    self.noted.discard(project)
                    return
                if orphans:
                    await self._end_expired(file)
                await self._delete_due(project, file)
                if orphans:
                    await self._delete_orphans(project, file)
        except (Problem, BlobMissing, OSError) as fault:  # files may vanish at any time, for example drafts that end
            log.warning("a project could not be swept", project=project, reason=repr(fault)[:300])

    async def _end_expired(self, file: ProjectFile) -> None:
        """Delete the uploads in parts that were begun too long ago, and the resumable uploads that got no bytes."""
        now = self.holdings.now_ms()
        before = now - self.holdings.settings.multipart_seconds * 1000
        while expired := await file.read(partial(expired_multiparts, before=before, limit=BATCH)):
            for upload in expired:
                await file.write(partial(end_multipart, upload=upload, now=now))
            metrics.storage_swept.labels("multipart").inc(len(expired))
        before = now - self.holdings.settings.resumable_seconds * 1000
        while expired := await file.read(partial(expired_resumables, before=before, limit=BATCH)):
            for upload in expired:
                await file.write(partial(end_multipart, upload=upload, now=now))
            metrics.storage_swept.labels("resumable").inc(len(expired))
        await file.write(partial(forget_finished, before=before))
        oldest = now - int(self.holdings.settings.variant_days * 86_400_000)
        while await file.write(partial(drop_old_variants, before=oldest, limit=BATCH)) == BATCH:
            pass

    async def _delete_due(self, project: str, file: ProjectFile) -> None:
        settings = self.holdings.settings
        before = self.holdings.now_ms() - settings.deleted_seconds * 1000
        since = self._copied_since(project)
        while True:
            due = await file.read(
                lambda connection: due_blobs(connection, before, settings.max_bytes // 2, BATCH, since)
            )
            free = [blob for blob in due if blob not in self.used]
            if not free:
                break
            await self.holdings.blobs.delete(project, free)
            await file.write(partial(forget_blobs, blobs=free))
            metrics.storage_swept.labels("deleted").inc(len(free))
        if not (await file.read(totals)).waiting_bytes:
            self.noted.discard(project)
        else:
            self.noted.add(project)

    async def _delete_orphans(self, project: str, file: ProjectFile) -> None:
        before = self.holdings.clock.now() - timedelta(seconds=self.holdings.settings.orphan_seconds)
        running = self.uploads.blobs(project)
        old: list[str] = []
        async for blob, written in self.holdings.blobs.blobs(project):
            if written < before and blob not in running:
                old.append(blob)
            if len(old) >= BATCH:
                await self._delete_unknown(project, file, old)
                old = []
        await self._delete_unknown(project, file, old)
        drafts = await self.holdings.blobs.delete_drafts(project, before)
        metrics.storage_swept.labels("draft").inc(drafts)

    async def _delete_unknown(self, project: str, file: ProjectFile, blobs: list[str]) -> None:
        orphans = await file.read(lambda connection: unknown_blobs(connection, blobs)) if blobs else []
        if orphans:
            await self.holdings.blobs.delete(project, orphans)
            metrics.storage_swept.labels("orphan").inc(len(orphans))
            log.info("orphans were deleted", project=project, blobs=len(orphans))
