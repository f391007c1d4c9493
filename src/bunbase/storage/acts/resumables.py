"""Resumable uploads (TUS 1.0). Their bytes are parts, which become the object in one transaction.

The life of one chunk: `begin_chunk` checks the offset and refuses a second chunk at the same time. `feed` passes the
bytes to a part, as for a part of any upload; every PART_BYTES, the part is stored and synced, so that little is lost if
the server stops. `finish` stores the last part, also if the client has left. With the last byte of the upload, the
rules decide about the object as it is now, and one transaction makes the parts the object.

If the server stops after the last part and before this transaction, the next request for the upload completes it.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import partial
from typing import Any, Final

import msgspec

from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.resumable import (
    MAX_CHUNKS,
    MAX_RESUMABLE_BYTES,
    NewChunk,
    NewResumable,
    Resumable,
    TooManyChunks,
    UploadBusy,
    UploadChecksumMismatch,
    UploadOffsetMismatch,
)
from bunbase.contracts.storage import (
    NewObject,
    ObjectTooLarge,
    Place,
    UploadNotFound,
)
from bunbase.contracts.stored_object import StoredObject
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.storage.acts.access import holder_of, owner_of
from bunbase.storage.acts.completing import Completing, conditions_of
from bunbase.storage.acts.sweeping import Sweeping
from bunbase.storage.acts.upload import Upload, check_headers
from bunbase.storage.acts.uploads import Uploads
from bunbase.storage.holdings import Holdings, checked_key
from bunbase.storage.rules import time_of
from bunbase.storage.serving.media_types import valid_type
from bunbase.storage.store.blobs import Totals, totals
from bunbase.storage.store.multipart import PartRow, UploadRow, end_multipart
from bunbase.storage.store.resumable import (
    PREFIX,
    VISITOR,
    Finished,
    Kept,
    Progress,
    append_part,
    begin_resumable,
    no_upload,
    progress,
    set_length,
)

PART_BYTES: Final = 16 << 20  # a crash loses at most this much of a chunk
STALLED_SECONDS: Final = 5.0  # a chunk that got no data for this long gives way to another chunk of the same upload


class Chunk:
    """A chunk that arrives now. `room`: the bytes that the upload may still get; None if its length is unknown."""

    def __init__(self, caller: Caller, new: NewChunk, found: Progress) -> None:
        self.id = secrets.token_urlsafe(16)
        self.caller = caller
        self.new = new
        self.found = found
        self.number = found.parts[-1].number if found.parts else 0
        self.offset = found.offset
        self.length = found.kept.new.length
        self.digest: Any = hashlib.new(new.algorithm, usedforsecurity=False) if new.algorithm else None
        self.part: Upload | None = None
        self.touched_at = 0.0


class Resumables:
    def __init__(self, holdings: Holdings, uploads: Uploads, completing: Completing, sweeping: Sweeping) -> None:
        self.holdings = holdings
        self.uploads = uploads
        self.completing = completing
        self.sweeping = sweeping
        self.chunks: dict[str, Chunk] = {}  # by the id of the chunk

    async def begin(self, caller: Caller, new: NewResumable) -> Resumable:
        new = msgspec.structs.replace(new, content_type=valid_type(new.content_type))
        key = checked_key(new.key)
        plain = NewObject(new.content_type, new.length, new.cache_control, new.metadata, conditions_of(new))
        check_headers(plain)
        one = Upload(caller, Place(new.bucket, new.key), key, plain, self._is_ruled(caller))
        one.most = MAX_RESUMABLE_BYTES
        await self.uploads.check(one)
        kept, id = Kept(new, holder_of(caller), _identity(caller)), PREFIX + secrets.token_urlsafe(24)
        properties, now = msgspec.json.encode(kept).decode(), self.holdings.now_ms()
        async with self.holdings.bucket_of(caller.project, new.bucket) as (file, bucket):
            row = UploadRow(id, bucket.id, key, properties, owner_of(caller), now)
            most = self.holdings.settings.max_resumable_uploads
            await file.write(partial(begin_resumable, row=row, kept=kept, most=most))
        return await self._state(caller, Progress(row, kept, ()))

    async def get(self, caller: Caller, upload: str) -> Resumable:
        return await self._state(caller, await self._found(caller, upload))

    async def begin_chunk(self, caller: Caller, new: NewChunk) -> str:
        self._is_ruled(caller)
        self._check_free(caller, new.upload)  # first: nothing is read for a client that must wait
        found = await self._found(caller, new.upload)
        if isinstance(found, Finished):
            raise UploadOffsetMismatch(f"The upload is finished: it has {found.size} bytes.", offset=found.size)
        if new.offset != found.offset:
            raise UploadOffsetMismatch(f"The server has {found.offset} bytes: continue there.", offset=found.offset)
        found, sets_length = _with_length(found, new.length)
        _check_length(found.offset + (new.size or 0), found.kept.new.length)
        self._check_free(caller, new.upload)  # no await follows, so two chunks cannot both pass this check
        chunk = Chunk(caller, new, found)
        chunk.touched_at = self.uploads.monotonic()
        self.chunks[chunk.id] = chunk
        if sets_length and new.length is not None:
            try:
                await self._set_length(caller, found.row.id, new.length)
            except BaseException:
                self._forget(chunk)
                raise
        return chunk.id

    async def feed(self, caller: Caller, id: str, data: bytes) -> None:
        chunk = self._chunk(caller, id)
        chunk.touched_at = self.uploads.monotonic()
        part = chunk.part
        _check_length(chunk.offset + (0 if part is None else part.size) + len(data), chunk.length)
        if part is None:
            part = chunk.part = await self._begun_part(chunk)
        try:
            await self.uploads.feed(caller, part.id, data)
        except BaseException:
            chunk.part = None
            raise
        if chunk.digest is not None:
            chunk.digest.update(data)
        elif part.size >= PART_BYTES:
            await self._store_part(chunk)

    async def finish(self, caller: Caller, id: str, whole: bool) -> Resumable:
        chunk = self._chunk(caller, id)
        try:
            if chunk.digest is not None and not (whole and chunk.digest.hexdigest() == chunk.new.digest):
                await self._drop_part(chunk)
                if whole:
                    raise UploadChecksumMismatch("The chunk was not stored: send it again.")
            await self._store_part(chunk)
        finally:
            self._forget(chunk)
        if whole:
            return await self.get(caller, chunk.new.upload)
        # a request that was broken off or refused at its end must not complete the upload: the next one does
        return self._shown(await self._found(caller, chunk.new.upload))

    async def end(self, caller: Caller, upload: str) -> None:
        found = await self._found(caller, upload)
        if isinstance(found, Finished):
            raise no_upload()
        self._check_free(caller, upload)
        async with self.holdings.files.using(caller.project, create=False) as file:
            if file is None or not await file.write(partial(end_multipart, upload=upload, now=self.holdings.now_ms())):
                raise no_upload()
        self.sweeping.note(caller.project)

    async def end_idle(self) -> None:
        """End the chunks that got no data for long. Their parts are ended with the other uploads."""
        before = self.uploads.monotonic() - self.holdings.settings.idle_upload_seconds
        for chunk in list(self.chunks.values()):
            if chunk.touched_at < before:
                self._forget(chunk)

    async def _state(self, caller: Caller, found: Progress | Finished) -> Resumable:
        """Return the state of an upload, which is completed first if all its bytes are there."""
        busy = isinstance(found, Progress) and any(one.new.upload == found.row.id for one in self.chunks.values())
        if isinstance(found, Finished) or found.offset != found.kept.new.length or busy:
            return self._shown(found)
        try:
            finished = await self.completing.complete(caller, self._is_ruled(caller), found)
        except Problem:
            now = await self._known(caller, found.row.id)
            if not isinstance(now, Finished):
                raise
            finished = now  # another request has completed the upload meanwhile
        self.sweeping.note(caller.project)
        return _finished(finished, self.holdings.settings.resumable_seconds)

    def _shown(self, found: Progress | Finished) -> Resumable:
        seconds = self.holdings.settings.resumable_seconds
        if isinstance(found, Finished):
            return _finished(found, seconds)
        new, expires = found.kept.new, time_of(found.touched + seconds * 1000)
        return Resumable(found.row.id, new.bucket, new.key, found.offset, new.length, False, expires, new.sent)

    async def _found(self, caller: Caller, upload: str) -> Progress | Finished:
        """Raises: UploadNotFound if the upload has expired, or if the caller has not begun it."""
        self._is_ruled(caller)
        found = await self._known(caller, upload)
        if found is None:
            raise no_upload()
        kept = found.kept if isinstance(found, Progress) else msgspec.json.decode(found.properties, type=Kept)
        last = found.touched if isinstance(found, Progress) else found.finished
        if (
            not _may_use(caller, kept)
            or last + self.holdings.settings.resumable_seconds * 1000 < self.holdings.now_ms()
        ):
            raise no_upload()
        return found

    async def _known(self, caller: Caller, upload: str) -> Progress | Finished | None:
        async with self.holdings.files.using(caller.project, create=False) as file:
            return None if file is None else await file.read(partial(progress, id=upload))

    def _is_ruled(self, caller: Caller) -> bool:
        return self.uploads.access.is_ruled(caller, Act.OBJECT_WRITE)

    async def _set_length(self, caller: Caller, upload: str, length: int) -> None:
        async with self.holdings.files.using(caller.project, create=False) as file:
            if file is None:
                raise no_upload()
            await file.write(partial(set_length, id=upload, length=length))

    async def _begun_part(self, chunk: Chunk) -> Upload:
        """Raises: TooManyChunks, and the problems of `begin_upload`."""
        row, new = chunk.found.row, chunk.found.kept.new
        if chunk.number >= MAX_CHUNKS:
            raise TooManyChunks(f"An upload has at most {MAX_CHUNKS} chunks: send larger ones.", limit=MAX_CHUNKS)
        one = Upload(chunk.caller, Place(new.bucket, new.key), row.key, NewObject(), False)
        one.part = (row, chunk.number + 1)

        async def prepare(one: Upload) -> None:
            async with self.holdings.bucket_of(chunk.caller.project, new.bucket) as (file, bucket):
                if bucket.id != row.bucket:
                    raise no_upload()
                held: Totals = await file.read(totals)
                most = min(bucket.spec.max_bytes, MAX_RESUMABLE_BYTES)
                one.bucket, one.limit = bucket.id, most - chunk.offset
                self.uploads.seal_for(one, file)
            await self.uploads.open_blob(one, held, 0)

        await self.uploads.begun(one, prepare)
        return one

    async def _store_part(self, chunk: Chunk) -> None:
        """Store the bytes that have arrived, and sync them to disk."""
        part, chunk.part = chunk.part, None
        if part is None or not part.size:
            return
        row, offset = chunk.found.row, chunk.offset

        async def store(one: Upload) -> None:
            new = PartRow(chunk.number + 1, one.blob, one.size, one.md5.hexdigest(), "", self.holdings.now_ms())
            async with self.holdings.files.using(chunk.caller.project, create=False) as file:
                if file is None:
                    raise no_upload()
                await file.write(lambda connection: append_part(connection, row, new, offset, self.holdings.quota))

        size = part.size
        await self.uploads.finished(chunk.caller, part.id, True, store)
        chunk.offset += size
        chunk.number += 1

    async def _drop_part(self, chunk: Chunk) -> None:
        part, chunk.part = chunk.part, None
        if part is not None:
            await self.uploads.abort(chunk.caller, part.id)

    def _chunk(self, caller: Caller, id: str) -> Chunk:
        chunk = self.chunks.get(id)
        if chunk is None or chunk.caller.project != caller.project:
            raise UploadNotFound("Another request continues this upload.")
        return chunk

    def _check_free(self, caller: Caller, upload: str) -> None:
        """Check that no other chunk of the upload arrives now. A chunk whose client has probably lost its connection is
        ended, so that the client may continue with another one. Raises: UploadBusy, UploadNotFound.
        """
        before = self.uploads.monotonic() - STALLED_SECONDS
        for chunk in [one for one in self.chunks.values() if one.new.upload == upload]:
            same = chunk.caller.project == caller.project
            if not same or not _may_use(caller, chunk.found.kept):
                raise no_upload()
            if chunk.touched_at >= before:
                raise UploadBusy(
                    "Wait until the other request has ended, then ask for the offset.", retry_after_seconds=1
                )
            self._forget(chunk)

    def _forget(self, chunk: Chunk) -> None:
        self.chunks.pop(chunk.id, None)


def _with_length(found: Progress, length: int | None) -> tuple[Progress, bool]:
    """Return the upload with the length that a chunk has sent, and True if its length was not known before.

    Raises: InvalidInput, ObjectTooLarge.
    """
    before = found.kept.new.length
    if length is None or before == length:
        return found, False
    if before is not None or length < found.offset:
        raise InvalidInput.at("Upload-Length", "The length of this upload is another one.")
    _check_length(length, MAX_RESUMABLE_BYTES)
    kept = msgspec.structs.replace(found.kept, new=msgspec.structs.replace(found.kept.new, length=length))
    return msgspec.structs.replace(found, kept=kept), True


def _check_length(size: int, length: int | None) -> None:
    """Raises: ObjectTooLarge."""
    if length is not None and size > length:
        raise ObjectTooLarge(f"The upload has {length} bytes, and more were sent.", limit=length)


def _finished(found: Finished, seconds: int) -> Resumable:
    new = msgspec.json.decode(found.properties, type=Kept).new
    expires, shown = time_of(found.finished + seconds * 1000), msgspec.json.decode(found.object, type=StoredObject)
    return Resumable(found.id, new.bucket, new.key, found.size, found.size, True, expires, new.sent, shown)


def _identity(caller: Caller) -> str:
    """Return the user to whom the uploads of a caller belong, VISITOR, or "" for servers and members."""
    if caller.kind in (CallerKind.SECRET, CallerKind.DEVELOPER):
        return ""
    return VISITOR if caller.user is None else caller.user.uid


def _may_use(caller: Caller, kept: Kept) -> bool:
    """True if a caller may see and continue an upload: servers and members all, others their own.

    A server that acts as a user has the rights of this user. A visitor's address may change, and the id of an upload is
    secret.
    """
    mine, earlier = _identity(caller), VISITOR if kept.holder.startswith("address ") else kept.holder
    return not mine or mine == (kept.owner or earlier)
