"""Delete the blobs that no object needs.

`sweep` deletes the blobs of deleted and replaced objects, after the time of the setting, in projects that had a
deletion. `sweep_everything` visits every project, and also deletes orphans: blobs of uploads that ended with a crash.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger
from bunbase.storage.acts.uploads import Uploads
from bunbase.storage.blobs.store import BlobMissing
from bunbase.storage.holdings import Holdings
from bunbase.storage.store.blobs import due_blobs, forget_blobs, totals, unknown_blobs
from bunbase.storage.store.file import ProjectFile
from bunbase.storage.store.multipart import end_multipart, expired_multiparts

log = logger("storage")

BATCH: Final = 500


class Sweeping:
    """`noted`: projects that have deleted objects, whose blobs may still be there."""

    def __init__(self, holdings: Holdings, uploads: Uploads) -> None:
        self.holdings = holdings
        self.uploads = uploads
        self.noted: set[str] = set()

    def note(self, project: str) -> None:
        self.noted.add(project)

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

    async def _swept(self, project: str, orphans: bool) -> None:
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
        """Delete the uploads in parts that were begun too long ago."""
        now = self.holdings.now_ms()
        before = now - self.holdings.settings.multipart_seconds * 1000
        while expired := await file.read(partial(expired_multiparts, before=before, limit=BATCH)):
            for upload in expired:
                await file.write(partial(end_multipart, upload=upload, now=now))
            metrics.storage_swept.labels("multipart").inc(len(expired))

    async def _delete_due(self, project: str, file: ProjectFile) -> None:
        settings = self.holdings.settings
        before = self.holdings.now_ms() - settings.deleted_seconds * 1000
        while True:
            due = await file.read(lambda connection: due_blobs(connection, before, settings.max_bytes // 2, BATCH))
            if not due:
                break
            await self.holdings.blobs.delete(project, due)
            await file.write(partial(forget_blobs, blobs=due))
            metrics.storage_swept.labels("deleted").inc(len(due))
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
