"""Restores of files from a backup.

The life of one restore (the steps are those of contracts/storage_copies.py):

1. `begin` opens a draft, ends uploads of the project, and stops its sweeper: blobs of the restored list must stay.
2. The list arrives under the key of its project, and is written again under the key of the project to restore.
3. Each lacking blob arrives sealed. It is opened to check it. A blob of another project is sealed again with a root key
   of this project, because the name of the project is authenticated data of each chunk.
4. `prepare` closes the project, and syncs a mark into the draft. From here on, a crash leaves the project closed until
   Bundoc commits or aborts. Before, a crash leaves only blobs that no row has, which the sweeper deletes later.
5. `commit` renames the draft to the place of the project's file.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from bunbase.contracts.bunkms import DecryptionFailed
from bunbase.contracts.storage import StorageBusy, StorageUnreadable
from bunbase.contracts.storage_copies import (
    COPIED_BYTES,
    HOLD_SECONDS,
    NAMED_AT_ONCE,
    CopiedList,
    CopyDamaged,
    NamedBlob,
    NamedBlobs,
    NewRestore,
    PreparedRestore,
    RestoreEnded,
)
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import ID
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.connection import DATABASE
from bunbase.pkg.sealed_sqlite.copying import open_copy
from bunbase.pkg.sealed_sqlite.key_file import complete_key_file
from bunbase.storage.acts.sweeping import Sweeping
from bunbase.storage.acts.uploads import Uploads
from bunbase.storage.blobs.format import Damaged, Opener, Sealer, sealed_size
from bunbase.storage.blobs.store import BlobMissing, BlobWriter
from bunbase.storage.holdings import Holdings
from bunbase.storage.store.blobs import content_size, named_blobs
from bunbase.storage.store.copies import (
    DRAFTS,
    SOURCE,
    OwnKey,
    copy_totals,
    delete_draft,
    draft_list,
    opened_copy,
    prepare,
    prepared_drafts,
    raise_numbers,
    roots_of,
    settle_log,
    take_place,
)
from bunbase.storage.store.file import problem_of
from bunbase.storage.store.files import context_of
from bunbase.storage.store.tables import ROOT_BYTES

log = logger("storage")

T = TypeVar("T")

RESTORE: Final = re.compile(ID)
CHECKS_AT_ONCE: Final = 8
INLINE_BYTES: Final = 32 << 10  # opening and sealing this much takes 0.05 ms; more is done in a thread


class FedBlob:
    """A blob that arrives. `writer`: None if it is only checked. `sealer`: None if its bytes are stored as they are."""

    def __init__(self, opener: Opener, sealer: Sealer | None, writer: BlobWriter | None) -> None:
        self.opener = opener
        self.sealer = sealer
        self.writer = writer
        self.begun = False

    def next(self, data: bytes, last: bool) -> bytes:
        """Check the next bytes, and return the bytes to write. Raises: Damaged."""
        content = self.opener.open(data)
        if last:
            content += self.opener.finish()
        if self.sealer is None:
            return data
        head = b"" if self.begun else self.sealer.header
        self.begun = True
        return b"".join([head, *self.sealer.seal(content)]) + (self.sealer.finish() if last else b"")


class Restore:
    """One restore. `list`: a connection to the list of objects of the copy; None for a copy without buckets.

    `roots`: the root keys of the blobs in the copy. `own_roots`: the root keys of the restored blobs.
    """

    def __init__(self, project: str, new: NewRestore, draft: Path, key: bytes | None, touched_at: float) -> None:
        self.project = project
        self.new = new
        self.draft = draft
        self.key = key
        self.touched_at = touched_at
        self.list: apsw.Connection | None = None
        self.roots: dict[int, bytes] = {}
        self.own_roots: dict[int, bytes] = {}
        self.own_key: OwnKey | None = None
        self.fed: dict[str, FedBlob] = {}
        self.prepared = False


class Restoring:
    """`running`: the restores of this process, by project. `prepared`: the restores that wait for Bundoc's decision.

    `monotonic`: returns seconds on a clock that never goes back.
    """

    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, holdings: Holdings, sweeping: Sweeping, uploads: Uploads) -> None:
        self.holdings = holdings
        self.sweeping = sweeping
        self.uploads = uploads
        self.drafts = holdings.files.directory / DRAFTS
        self.running: dict[str, Restore] = {}
        self.prepared = {one.project: one for one in prepared_drafts(holdings.files.directory)}
        for project in self.prepared:
            self._hold(project)

    async def begin(self, project: str, new: NewRestore) -> None:
        if not RESTORE.fullmatch(new.id):
            raise InvalidInput.at("id", "This is not the id of a restore.")
        await self._forget(project)
        key = await self._key_of(new) if new.wrapped else None
        draft = self.drafts / new.id
        await self._in_thread(_make_folder, draft)
        if not new.only_check:
            await self.sweeping.stop(project)
        self.running[project] = Restore(project, new, draft, key, self.monotonic())

    async def feed_list(self, project: str, id: str, data: bytes) -> None:
        one = self._found(project, id)
        await self._in_thread(_append, one.draft / SOURCE, data)

    async def restored_list(self, project: str, id: str) -> CopiedList:
        one = self._found(project, id)
        if one.key is not None:
            one.list = await self._in_thread(opened_copy, one.draft / SOURCE, one.key)
            one.roots = roots_of(one.list)
        if not one.new.only_check:
            await self._draft(one)
        if one.list is None:
            return CopiedList("", 0, 0, 0, 0, self.holdings.clock.now(), 0)
        found = await self._in_thread(copy_totals, one.list, sealed_size)
        return CopiedList(one.new.wrapped, *found, self.holdings.clock.now(), 0)

    async def lacking(self, project: str, id: str) -> AsyncIterator[NamedBlobs]:
        one = self._found(project, id)
        after = ""
        while one.list is not None:
            found = await self._in_thread(named_blobs, one.list, after, NAMED_AT_ONCE)
            if not found:
                return
            named = tuple([NamedBlob(id, sealed_size(content)) for id, content in found])
            after = named[-1].id
            lacking = named if one.new.only_check else await self._lacking(one, named)
            self._found(project, id)
            yield NamedBlobs(lacking)

    async def feed_blob(self, project: str, id: str, blob: str, data: bytes, last: bool) -> None:
        one = self._found(project, id)
        if len(data) > COPIED_BYTES:
            raise InvalidInput.at("data", f"A piece has at most {COPIED_BYTES} bytes.")
        fed = one.fed.get(blob) or self._fed(one, blob)
        try:
            if len(data) <= INLINE_BYTES:
                sealed = fed.next(data, last)
            else:
                sealed = await self._in_thread(fed.next, data, last)
            if fed.writer is not None:
                await fed.writer.write(sealed)
                if last:
                    await fed.writer.close()
        except BaseException as fault:
            self._end_blob(one, blob)
            if isinstance(fault, Damaged):
                raise CopyDamaged(f"The blob {blob} of this copy is damaged: {fault}. Use another backup.") from fault
            raise
        if last:
            del one.fed[blob]

    async def prepare(self, project: str, id: str) -> None:
        one = self._found(project, id)
        if one.new.only_check or one.own_key is None or one.fed:
            raise RestoreEnded("The restore is not complete: begin again.")
        self._hold(project)
        try:
            self.uploads.end_project(project)
            async with self.holdings.files.closed(project) as directory:
                await self._check_key(project, one.own_key)
                used = await self._in_thread(settle_log, directory, one.own_key.key)
                await self._in_thread(raise_numbers, one.draft / DATABASE, one.own_key.key, used)
                if not one.own_key.settled:
                    await self._in_thread(complete_key_file, one.draft, one.own_key.wrapped)
                await self._in_thread(prepare, one.draft, project)
            self._close_list(one)
            self.prepared[project] = PreparedRestore(project, id)
            del self.running[project]
        except BaseException:
            await self._forget(project)
            raise

    async def commit(self, project: str, id: str) -> None:
        draft = self.drafts / id
        async with self.holdings.files.closed(project) as directory:
            if not self._is_prepared(project, id):
                return  # it was committed before
            if (draft / DATABASE).exists() and directory.exists():
                await self._settle(project, directory)
            await self._in_thread(take_place, draft, directory)
            await self._in_thread(delete_draft, draft)
            self._release(project)
        self.sweeping.note(project)
        log.info("the files of a project were restored", project=project, restore=id)

    async def abort(self, project: str, id: str) -> None:
        one = self.running.get(project)
        if one is not None and one.new.id == id:
            await self._forget(project)
            return
        async with self.holdings.files.closed(project):  # only one call at a time ends a prepared restore
            if self._is_prepared(project, id):
                await self._in_thread(delete_draft, self.drafts / id)
                self._release(project)

    async def all_prepared(self) -> tuple[PreparedRestore, ...]:
        return tuple(self.prepared.values())

    async def end_idle(self) -> None:
        """End the restores that get no calls any more."""
        before = self.monotonic() - HOLD_SECONDS
        for project, one in list(self.running.items()):
            if one.touched_at < before:
                await self._forget(project)

    async def drop(self, project: str) -> None:
        """End all restores of a project that is being deleted. Idempotent."""
        await self._forget(project)
        if (one := self.prepared.get(project)) is not None:
            await self._in_thread(delete_draft, self.drafts / one.restore)
            self._release(project)

    async def close(self) -> None:
        for project in list(self.running):
            await self._forget(project)

    def _found(self, project: str, id: str) -> Restore:
        """Raises: RestoreEnded."""
        one = self.running.get(project)
        if one is None or one.new.id != id:
            raise RestoreEnded("The restore has ended, or the server was restarted: begin again.")
        one.touched_at = self.monotonic()
        return one

    def _is_prepared(self, project: str, id: str) -> bool:
        one = self.prepared.get(project)
        return one is not None and one.restore == id

    def _hold(self, project: str) -> None:
        self.holdings.files.held.add(project)
        self.sweeping.stopped.add(project)

    def _release(self, project: str) -> None:
        self.prepared.pop(project, None)
        self.holdings.files.held.discard(project)
        self.sweeping.go_on(project)

    async def _forget(self, project: str) -> None:
        """End a restore that is not prepared. Idempotent."""
        one = self.running.pop(project, None)
        if one is None:
            return
        for blob in list(one.fed):
            self._end_blob(one, blob)
        self._close_list(one)
        await self._in_thread(delete_draft, one.draft)
        if project not in self.prepared:
            self.holdings.files.held.discard(project)
            self.sweeping.go_on(project)

    def _close_list(self, one: Restore) -> None:
        if one.list is not None:
            one.list.close()
            one.list = None

    async def _key_of(self, new: NewRestore) -> bytes:
        try:
            return await self.holdings.files.kms.unwrap_data_key(new.source, context_of(new.source), new.wrapped)
        except DecryptionFailed as error:
            raise CopyDamaged("The key of these files belongs to another project. Use another backup.") from error

    async def _draft(self, one: Restore) -> None:
        """Write the list of the draft under the key of the project."""
        same = one.new.source == one.project or one.list is None
        one.own_key, present = await self._own_key(one.project)
        roots = None if same else (present or {1: os.urandom(ROOT_BYTES)})
        path = one.draft / DATABASE
        await self._in_thread(draft_list, one.list, path, one.own_key.key, roots)
        made = await self._in_thread(open_copy, path, one.own_key.key)
        try:
            one.own_roots = roots_of(made)
        finally:
            made.close()

    async def _own_key(self, project: str) -> tuple[OwnKey, dict[int, bytes] | None]:
        """Return the key of the project and its root keys. A project that has lost its key or its list gets a new key,
        because nobody can read its old list without this key.
        """
        files = self.holdings.files
        try:
            async with files.using(project) as file:
                assert file is not None
                roots = dict(file.roots)
            async with files.closed(project):
                key_file, key = await files.own_key(project)
                return OwnKey(key, key_file.wrapped, key_file.complete), roots
        except StorageUnreadable as unreadable:
            log.warning("a restore replaces a list that cannot be read", project=project, reason=unreadable.detail)
        new = await files.kms.generate_data_key(project, context_of(project))
        return OwnKey(new.plaintext, new.wrapped, settled=False), None

    async def _check_key(self, project: str, own: OwnKey) -> None:
        """Raises: StorageBusy if a rotation has changed the key since the list was written."""
        if own.settled and (await self.holdings.files.own_key(project))[1] != own.key:
            raise StorageBusy("The project's data key was changed meanwhile; try again.", retry_after_seconds=1)

    async def _settle(self, project: str, directory: Path) -> None:
        """Empty the log of the file that is being replaced, if a crash left one."""
        try:
            _, key = await self.holdings.files.own_key(project)
        except StorageUnreadable:
            return
        await self._in_thread(settle_log, directory, key)

    async def _lacking(self, one: Restore, named: tuple[NamedBlob, ...]) -> tuple[NamedBlob, ...]:
        turns = asyncio.Semaphore(CHECKS_AT_ONCE)

        async def is_whole(blob: NamedBlob) -> bool:
            async with turns:
                return await self._is_whole(one, blob)

        whole = await asyncio.gather(*[is_whole(blob) for blob in named])
        return tuple([blob for blob, good in zip(named, whole, strict=True) if not good])

    async def _is_whole(self, one: Restore, blob: NamedBlob) -> bool:
        """True if the project has the blob, and all its chunks open."""
        opener, at = self._opener(one, blob.id, one.own_roots), 0
        try:
            if await self.holdings.blobs.size(one.project, blob.id) != blob.bytes:
                return False
            while at < blob.bytes:
                end = min(blob.bytes, at + COPIED_BYTES)
                data = bytes(await self.holdings.blobs.read(one.project, blob.id, at, end))
                one.touched_at = self.monotonic()
                await self._in_thread(opener.open, data)
                at = end
            opener.finish()
        except (Damaged, BlobMissing):
            return False
        return True

    def _fed(self, one: Restore, blob: str) -> FedBlob:
        opener = self._opener(one, blob, one.roots, source=True)
        if one.new.only_check:
            fed = FedBlob(opener, None, None)
        else:
            again = one.new.source != one.project
            newest = max(one.own_roots)
            sealer = Sealer(one.own_roots[newest], newest, one.project, blob) if again else None
            fed = FedBlob(opener, sealer, self.holdings.blobs.writer(one.project, blob))
        one.fed[blob] = fed
        return fed

    def _opener(self, one: Restore, blob: str, roots: dict[int, bytes], source: bool = False) -> Opener:
        """Raises: InvalidInput if the list does not name the blob."""
        size = None if one.list is None else content_size(one.list, blob)
        if size is None:
            raise InvalidInput.at("blob", "The list of this copy does not name this blob.")
        return Opener(roots, one.new.source if source else one.project, blob, size)

    def _end_blob(self, one: Restore, blob: str) -> None:
        fed = one.fed.pop(blob, None)
        if fed is not None and fed.writer is not None:
            fed.writer.abandon()

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self.holdings.pool, work, *args)
        except apsw.Error as error:
            raise problem_of(error) from error


def _make_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True)


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
