"""The copy of a project's files for a backup: its list of objects, then the sealed bytes of its blobs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import apsw

from bunbase.contracts.storage import ObjectDamaged
from bunbase.contracts.storage_copies import (
    COPIED_BYTES,
    NAMED_AT_ONCE,
    CopiedBytes,
    CopiedList,
    FilesState,
    NamedBlob,
    NamedBlobs,
)
from bunbase.pkg.ids import new_id
from bunbase.pkg.sealed_sqlite.connection import DATABASE
from bunbase.pkg.sealed_sqlite.copying import copy_snapshot, open_copy
from bunbase.pkg.sealed_sqlite.files import modified_at
from bunbase.pkg.sealed_sqlite.key_file import NAME as KEY_FILE
from bunbase.storage.acts.sweeping import Sweeping
from bunbase.storage.blobs.format import sealed_size
from bunbase.storage.blobs.store import BLOB, BlobMissing
from bunbase.storage.holdings import Holdings
from bunbase.storage.store.blobs import named_blobs
from bunbase.storage.store.copies import DRAFTS, copy_totals, delete_draft
from bunbase.storage.store.file import problem_of

T = TypeVar("T")


class FileCopying:
    def __init__(self, holdings: Holdings, sweeping: Sweeping) -> None:
        self.holdings = holdings
        self.sweeping = sweeping

    async def state(self, project: str) -> FilesState | None:
        directory = self.holdings.files.directory / project

        def found() -> FilesState | None:
            changed_at = modified_at(directory)
            try:
                born_at = (directory / KEY_FILE).stat().st_mtime
            except FileNotFoundError:  # the project is being deleted
                return None
            return None if changed_at is None else FilesState(born_at, changed_at)

        return await self._in_thread(found)

    async def copied(self, project: str) -> AsyncIterator[CopiedList | CopiedBytes | NamedBlobs]:
        """A copy may also be made while the project is held, for the backup that a restore makes first."""
        await self.sweeping.begin_copy(project)
        draft = self.holdings.files.directory / DRAFTS / new_id("cpy")
        try:
            async with self.holdings.files.using(project, create=False, held=True) as file:
                if file is None:
                    self.sweeping.end_copy(project)
                    return
                changed_at = modified_at(self.holdings.files.directory / project) or 0
                taken_at = self.holdings.clock.now()
                wrapped, key = file.wrapped, file.key
                await self._in_thread(_snapshot, self.holdings.files.directory / project, draft, key)
            connection = await self._in_thread(open_copy, draft / DATABASE, key)
            try:
                found = await self._in_thread(copy_totals, connection, sealed_size)
                yield CopiedList(wrapped, *found, taken_at, changed_at)
                async for piece in self._bytes(draft / DATABASE):
                    yield piece
                after = ""
                while named := await self._in_thread(named_blobs, connection, after, NAMED_AT_ONCE):
                    self.sweeping.renew_copy(project)
                    yield NamedBlobs(tuple([NamedBlob(id, sealed_size(content)) for id, content in named]))
                    after = named[-1][0]
            finally:
                connection.close()
        finally:
            await self._in_thread(delete_draft, draft)

    async def blob(self, project: str, blob: str) -> AsyncIterator[CopiedBytes]:
        """Raises: ObjectDamaged, StorageUnreachable."""
        self.sweeping.renew_copy(project)
        try:
            size = await self.holdings.blobs.size(project, blob) if BLOB.fullmatch(blob) else 0
            for at in range(0, size, COPIED_BYTES):
                yield CopiedBytes(
                    bytes(await self.holdings.blobs.read(project, blob, at, min(size, at + COPIED_BYTES)))
                )
        except BlobMissing:
            raise ObjectDamaged(f"The blob {blob[:40]} is missing.") from None

    async def _bytes(self, path: Path) -> AsyncIterator[CopiedBytes]:
        with contextlib.closing(await self._in_thread(_opened, path)) as file:
            while data := await self._in_thread(file.read, COPIED_BYTES):
                yield CopiedBytes(data)

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.holdings.pool, work, *args)
        except apsw.Error as error:
            raise problem_of(error) from error


def _snapshot(directory: Path, draft: Path, key: bytes) -> None:
    draft.mkdir(mode=0o700, parents=True)
    copy_snapshot(directory / DATABASE, key, draft / DATABASE, key, lambda _done, _total: None)


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")
