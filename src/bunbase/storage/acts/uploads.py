"""Uploads that run now.

The life of one upload:

1. `begin` checks everything that needs no bytes: rules, conditions, declared type and size, room. So a refused client
   is answered before it sends its body.
2. `feed` seals each piece and passes it to the blob store. It checks the type of the first bytes, and the size.
3. `finish` syncs the whole blob to disk. Then the rules decide about the true size, and one transaction swaps the row.
   If another write came first, the decision is made again.

A crash at any time leaves at most a blob without a row, which the sweeper deletes, and never a row without a blob.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

import apsw

from bunbase.contracts.bundoc.problems import DiskFull, RuleDenied
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.object_extras import Checksum
from bunbase.contracts.storage import (
    PIECE_BYTES,
    BucketNotFound,
    ContentDigestMismatch,
    InvalidLink,
    NewObject,
    ObjectConflict,
    ObjectTooLarge,
    Place,
    StorageBusy,
    StorageQuotaExceeded,
    StorageUnreadable,
    UploadNotFound,
    WrittenObject,
)
from bunbase.pkg import metrics
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.logger import logger
from bunbase.storage.acts.access import Access, owner_of
from bunbase.storage.acts.places import Places
from bunbase.storage.acts.upload import (
    Upload,
    check_headers,
    check_replaced,
    check_root,
    check_type,
    refused_type,
    too_many,
)
from bunbase.storage.blobs.format import Sealer
from bunbase.storage.holdings import ATTEMPTS, Holdings, checked_key, described
from bunbase.storage.links import REFUSED
from bunbase.storage.rules import OpenBucket, time_of
from bunbase.storage.serving.conditions import check_write
from bunbase.storage.serving.media_types import SNIFFED_BYTES, matches
from bunbase.storage.store.blobs import BlobPart, Moved, Totals, add_blob, totals
from bunbase.storage.store.file import ProjectFile
from bunbase.storage.store.objects import ObjectRow, find, put

log = logger("storage")

T = TypeVar("T")

INLINE_BYTES: Final = 32 << 10  # sealing and hashing this much takes 0.06 ms; more is done in a thread
MIN_RATE: Final = 1 << 10  # bytes a second on average; a slower upload holds a place of the project for too long
UNCLEAR: Final = (StorageUnreadable, StorageBusy, DiskFull)  # after these, a transaction may have been committed


class Uploads:
    """The uploads of all projects that run now. `monotonic`: returns seconds on a clock that never goes back."""

    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings
        self.access = Access(holdings)
        self.running: dict[str, Upload] = {}
        self.places = Places()
        self.finishing: set[asyncio.Task[Any]] = set()

    async def begin(self, caller: Caller, place: Place, new: NewObject) -> str:
        key = checked_key(place.key)
        check_headers(new)
        ruled = False if place.link else self.access.is_ruled(caller, Act.OBJECT_WRITE)
        if new.owner and (ruled or place.link):
            raise RuleDenied("Only the secret key and members of the project set the owner of an object.")
        return await self.begun(Upload(caller, place, key, new, ruled), self._prepare)

    async def begun(self, one: Upload, prepare: Callable[[Upload], Awaitable[None]]) -> str:
        """Return the id of an upload, after `prepare` has checked it and set its writer."""
        await self.places.enter(one.caller.project, one.holder, one.new.wait_seconds, lambda: self._enter(one))
        try:
            await prepare(one)
        except BaseException:
            self._leave(one)
            raise
        return one.id

    async def feed(self, caller: Caller, upload: str, data: bytes) -> None:
        one = self._found(caller, upload)
        async with one.turn:
            if self.running.get(upload) is not one:
                raise UploadNotFound("This upload has ended.")
            try:
                await self._take(one, data)
            except BaseException:
                self._end(one)
                raise

    async def finish(self, caller: Caller, upload: str, checksum: Checksum | None) -> WrittenObject:
        written = await self.finished(caller, upload, False, partial(self._swap, checksum=checksum))
        metrics.storage_writes.labels("upload").inc()
        return written

    async def finished(self, caller: Caller, upload: str, part: bool, store: Callable[[Upload], Awaitable[T]]) -> T:
        """Return the result of `store`, which stores a whole upload in a transaction. `part`: true for a part."""
        one = self._found(caller, upload)
        if (one.part is not None) is not part:
            raise UploadNotFound("This upload is of another kind.")
        # in a separate task: even if the client leaves now, the result of the transaction must be recorded
        task = asyncio.create_task(self._finish(one, store))
        self.finishing.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def abort(self, caller: Caller, upload: str) -> None:
        one = self.running.get(upload)
        if one is None or one.caller.project != caller.project:
            return
        async with one.turn:  # the caller may have given up a piece that is still being written
            if self.running.get(upload) is one:
                self._end(one)

    async def end_idle(self) -> None:
        """End the uploads that get no data, or on average less than MIN_RATE."""
        before = self.monotonic() - self.holdings.settings.idle_upload_seconds
        for one in list(self.running.values()):
            slow = one.size < MIN_RATE * (before - one.began_at)
            if (one.touched_at < before or slow) and not one.turn.locked():
                self._end(one)

    def end_project(self, project: str) -> None:
        """End the uploads of a project that is being deleted or restored."""
        for one in list(self.running.values()):
            if one.caller.project == project:
                self._end(one)

    async def close(self) -> None:
        await asyncio.gather(*self.finishing, return_exceptions=True)
        for one in list(self.running.values()):
            self._end(one)

    def blobs(self, project: str) -> set[str]:
        """Return the blobs of uploads that run now."""
        return {one.blob for one in self.running.values() if one.caller.project == project}

    async def _prepare(self, one: Upload) -> None:
        await self.check(one)
        await self._open_writer(one)

    async def check(self, one: Upload) -> None:
        """Check everything that needs no bytes."""
        try:
            async with self.holdings.bucket_of(one.caller.project, one.place.bucket) as (file, bucket):
                one.bucket, one.types = bucket.id, bucket.spec.mime
                one.limit = min(bucket.spec.max_bytes, one.most)
                if one.place.link:
                    self._apply_link(one, file.roots, bucket)
                row, held = await file.look(
                    lambda connection: (find(connection, bucket.id, one.key), totals(connection))
                )
                self.seal_for(one, file)
        except BucketNotFound:
            if one.place.link:
                raise InvalidLink(REFUSED) from None
            raise
        await self._decide(one, bucket, row, one.new.length or 0, "")
        if not matches(one.content_type, one.types):
            raise refused_type(one.content_type, one.types)
        self._check_room(one, held, 0 if row is None else row.size)

    def seal_for(self, one: Upload, file: ProjectFile) -> None:
        one.root = file.root
        one.sealer = Sealer(one.root[1], one.root[0], one.caller.project, one.blob)

    async def open_blob(self, one: Upload, held: Totals, replaced: int) -> None:
        """Check that there is room, and begin the blob. `held`: the present size of the project. `replaced`: the bytes
        that the upload replaces. Raises: ObjectTooLarge, StorageQuotaExceeded, DiskFull, StorageUnreachable.
        """
        self._check_room(one, held, replaced)
        await self._open_writer(one)

    def _check_room(self, one: Upload, held: Totals, replaced: int) -> None:
        taken = sum([other.size for other in self.running.values() if other.caller.project == one.caller.project])
        one.room = self.holdings.quota.bytes - held.taken_bytes - taken + replaced
        self._check_size(one, one.new.length or 0)
        self._check_disk(one.new.length or 0)

    async def _open_writer(self, one: Upload) -> None:
        one.writer = self.holdings.blobs.writer(one.caller.project, one.blob)
        await one.writer.write(one.sealer.header)

    def _apply_link(self, one: Upload, roots: dict[int, bytes], bucket: OpenBucket) -> None:
        """Check the link, and apply its limits. Raises: InvalidLink."""
        from_link = self.access.grant_of(one.caller, roots, bucket, one.place, "PUT")
        if from_link.max_bytes is not None:
            one.limit = min(one.limit, from_link.max_bytes)
        if from_link.content_type and from_link.content_type != one.content_type:
            raise InvalidLink(f"This link is for an upload with Content-Type: {from_link.content_type}.")

    async def _decide(self, one: Upload, bucket: OpenBucket, row: ObjectRow | None, size: int, etag: str) -> None:
        """Check the rules, then the conditions. Raises: RuleDenied, ObjectChanged."""
        if one.ruled:
            place = (one.place.bucket, one.place.key)
            next = self.access.proposed(place, one.properties(size, etag), row, owner_of(one.caller))
            await self.access.need_write(one.caller, bucket, row, next)
        check_write(one.new.conditions, row.etag if row else None, time_of(row.updated) if row else None)

    async def _take(self, one: Upload, data: bytes) -> None:
        if len(data) > PIECE_BYTES:
            raise InvalidInput.at("data", f"A piece has at most {PIECE_BYTES} bytes.")
        one.touched_at = self.monotonic()
        self._check_size(one, one.size + len(data))
        before = len(one.beginning)
        if before < SNIFFED_BYTES:
            one.beginning += data[: SNIFFED_BYTES - before]
            if len(one.beginning) == SNIFFED_BYTES:
                check_type(one)
        self._check_disk(len(data))
        one.size += len(data)
        if len(data) <= INLINE_BYTES:
            await one.writer.write(*one.sealed(data))
        else:
            await one.writer.write_with(lambda: one.sealed(data))
        metrics.storage_bytes.labels("in").inc(len(data))

    async def _finish(self, one: Upload, store: Callable[[Upload], Awaitable[T]]) -> T:
        async with one.turn:
            if self.running.get(one.id) is not one:
                raise UploadNotFound("This upload has ended.")
            closed = False
            try:
                self._check_whole(one)
                await one.writer.write(one.sealer.finish())
                await one.writer.close()
                closed = True
                written = await store(one)
            except BaseException as failure:
                self._end(one)
                if closed and isinstance(failure, Problem) and not isinstance(failure, UNCLEAR):
                    await self._delete_blob(one)
                raise
            self._leave(one)
            return written

    def _check_whole(self, one: Upload) -> None:
        """Raises: ContentTypeRefused, ContentDigestMismatch, InvalidInput."""
        if len(one.beginning) < SNIFFED_BYTES:
            check_type(one)
        if one.new.length is not None and one.size != one.new.length:
            raise InvalidInput.at("Content-Length", f"{one.size} of {one.new.length} bytes arrived.")
        if one.new.md5 and one.new.md5 != one.md5.hexdigest():
            raise ContentDigestMismatch("The bytes changed on the way, or the digest is wrong: send them again.")

    async def _swap(self, one: Upload, checksum: Checksum | None) -> WrittenObject:
        etag = one.md5.hexdigest()
        new, parts = one.properties(one.size, etag, checksum), [BlobPart(0, one.blob, one.size)]
        for number in range(ATTEMPTS):
            of_bucket = self.holdings.bucket_of(one.caller.project, one.place.bucket)
            async with of_bucket as (file, bucket), file.attempt(number):
                check_root(one, file.roots)
                check_replaced(one, bucket)
                place = (bucket.id, one.key)
                row = await file.look(partial(find, bucket=bucket.id, key=one.key))
                await self._decide(one, bucket, row, one.size, etag)

                def swap(
                    connection: apsw.Connection, place: tuple[int, bytes] = place, row: ObjectRow | None = row
                ) -> ObjectRow:
                    add_blob(connection, one.blob, one.size)
                    state = None if row is None else row.state
                    owner, now = one.new.owner or owner_of(one.caller), self.holdings.now_ms()
                    return put(connection, place, state, new, parts, owner, now, self.holdings.quota, one.caller.depth)

                try:
                    written = await file.write(swap)
                except Moved:
                    file.forget_buckets()
                    continue
                return WrittenObject(described(written, bucket.name), row is None)
        raise ObjectConflict("Other writes changed the object again and again; send it again.")

    def _check_size(self, one: Upload, size: int) -> None:
        """Raises: ObjectTooLarge, StorageQuotaExceeded."""
        if size > one.limit:
            raise ObjectTooLarge(f"An object of this bucket has at most {one.limit} bytes.", limit=one.limit)
        if size > max(0, one.room):
            limit = self.holdings.quota.bytes
            raise StorageQuotaExceeded(
                f"A project may have {limit} bytes of objects. Delete objects that are no longer needed.", limit=limit
            )

    def _check_disk(self, coming: int) -> None:
        """Raises: DiskFull before the disk is full, because databases need some room."""
        free = self.holdings.blobs.free_bytes()
        if free is not None and free - coming < self.holdings.settings.min_free_mib << 20:
            raise DiskFull("The disk of the server is almost full. Free some space, then try again.")

    def _enter(self, one: Upload) -> None:
        """Register the upload, if its holder has not used up its share (`shares.py`). Raises: TooManyUploads."""
        limit, holder = self.holdings.settings.max_uploads, one.holder
        others = [other.holder for other in self.running.values() if other.caller.project == one.caller.project]
        share = holder.share(limit)
        if others.count(holder) >= share:
            raise too_many(f"{holder.shown} may have {share} uploads at the same time; try again.", share)
        outsiders = sum([other.is_outsider for other in others])
        if len(others) >= limit or (holder.is_outsider and outsiders >= limit - limit // 4):
            raise too_many(f"A project may have {limit} uploads at the same time; try again.", limit)
        one.began_at = one.touched_at = self.monotonic()
        self.running[one.id] = one
        metrics.storage_uploads.set(len(self.running))

    def _found(self, caller: Caller, upload: str) -> Upload:
        """Raises: UploadNotFound."""
        one = self.running.get(upload)
        if one is None or one.caller.project != caller.project:
            raise UploadNotFound("This upload has ended: begin again.")
        return one

    def _end(self, one: Upload) -> None:
        """Forget an upload and its unfinished blob. Idempotent."""
        self._leave(one)
        if hasattr(one, "writer"):
            one.writer.abandon()

    def _leave(self, one: Upload) -> None:
        if self.running.pop(one.id, None) is not None:
            self.places.free(one.caller.project)
        metrics.storage_uploads.set(len(self.running))

    async def _delete_blob(self, one: Upload) -> None:
        try:
            await self.holdings.blobs.delete(one.caller.project, [one.blob])
        except Problem as problem:
            log.warning("the sweeper will delete a blob", project=one.caller.project, reason=problem.detail)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.finishing.discard(task)
        if not task.cancelled():
            task.exception()
