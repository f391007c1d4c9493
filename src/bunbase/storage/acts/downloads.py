"""Read objects: the rules and conditions decide, then the bytes are decrypted piece by piece.

The first piece is decrypted before the answer begins, so that a damaged object is an error and no broken download.

The rules decide again every CHECK_SECONDS, so that a download that takes hours ends soon after a right was taken away.
A download by a signed link goes on when the link expires, as on Amazon S3: the link was for the beginning.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final

import apsw
import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.multipart import InvalidPart
from bunbase.contracts.object_extras import ObjectExtras
from bunbase.contracts.storage import (
    BucketNotFound,
    InvalidLink,
    ObjectDamaged,
    Opened,
    Piece,
    Reading,
    StoredObject,
)
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger
from bunbase.storage.acts.access import Access, no_object
from bunbase.storage.blobs.format import (
    CHUNK_BYTES,
    HEADER_BYTES,
    BlobKey,
    Damaged,
    open_chunks,
    open_header,
    root_id_of,
    sealed_span,
)
from bunbase.storage.blobs.store import BlobMissing
from bunbase.storage.holdings import Holdings, checked_key, described
from bunbase.storage.links import REFUSED
from bunbase.storage.rules import time_of
from bunbase.storage.serving.conditions import is_same, is_unchanged
from bunbase.storage.serving.ranges import asked_range
from bunbase.storage.store.blobs import ALL, BlobPart, parts_of
from bunbase.storage.store.file import ProjectFile
from bunbase.storage.store.objects import ObjectRow, find
from bunbase.storage.usage import FileMeter

log = logger("storage")

CHECK_SECONDS: Final = 30.0
# 256 KiB of content in memory, also while the client does not read; while it is read, as much of the sealed bytes.
PIECE_CHUNKS: Final = 4
LOOP_PARTS: Final = 16  # an object with more parts is looked up in a thread


class Stored:
    """The bytes of an object, or of parts that may become one."""

    def __init__(self, parts: list[BlobPart], roots: dict[int, bytes]) -> None:
        self.parts = parts
        self.roots = roots
        self.size = sum([part.size for part in parts])


class Found(Stored):
    """An object that may be read."""

    def __init__(self, row: ObjectRow, parts: list[BlobPart], roots: dict[int, bytes]) -> None:
        super().__init__(parts, roots)
        self.row = row


class Allowed(msgspec.Struct, frozen=True):
    """An object that the caller may read. `until`: the `link_seconds` of `Opened`. `cached`: its `cache_control`."""

    found: Found
    described: StoredObject
    public: bool
    cached: str
    until: int | None


class Downloads:
    """`monotonic`: returns seconds on a clock that never goes back."""

    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, holdings: Holdings, meter: FileMeter) -> None:
        self.holdings = holdings
        self.access = Access(holdings)
        self.meter = meter

    async def read(self, caller: Caller, reading: Reading) -> AsyncIterator[Opened | Piece]:
        found, opened = await self._opened(caller, reading)
        if reading.head or opened.status == 304 or opened.start == opened.end:
            yield opened
            return
        pieces = self.pieces(caller.project, found, opened.start, opened.end)
        try:
            first = await anext(pieces)
            yield opened
            self.meter.count_download(caller.project, len(first))
            yield Piece(first)
            due = self.monotonic() + CHECK_SECONDS
            async for piece in pieces:
                if self.monotonic() >= due:
                    await self._check_again(caller, reading, found.row)
                    due = self.monotonic() + CHECK_SECONDS
                self.meter.count_download(caller.project, len(piece))
                yield Piece(piece)
        finally:
            await pieces.aclose()

    async def pieces(self, project: str, found: Stored, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of an object from `start` to before `end`. Raises: ObjectDamaged, StorageUnreachable."""
        for part in found.parts:
            begin, stop = max(start, part.position), min(end, part.position + part.size)
            if begin >= stop:
                continue
            blob = _Blob(self.holdings, project, found.roots, part)
            at = begin - part.position
            while at < stop - part.position:
                try:
                    piece = await blob.read(at, stop - part.position)
                except (Damaged, BlobMissing) as fault:
                    metrics.storage_damaged.inc()
                    log.error("an object cannot be read", project=project, blob=part.blob, reason=str(fault)[:300])
                    raise ObjectDamaged("Restore the project's objects from a backup, or upload it again.") from fault
                at += len(piece)
                metrics.storage_bytes.labels("out").inc(len(piece))
                yield piece

    async def beginning(self, project: str, found: Stored, size: int) -> bytes:
        """Return the first bytes of an object. Raises: ObjectDamaged, StorageUnreachable."""
        pieces = self.pieces(project, found, 0, min(size, found.size))
        try:
            beginning = b""
            async for piece in pieces:  # a part, and so a piece, may be shorter than `size`
                beginning += piece
                if len(beginning) >= size:
                    break
            return beginning
        finally:
            await pieces.aclose()

    async def _check_again(self, caller: Caller, reading: Reading, row: ObjectRow) -> None:
        """Check that the caller may still read the object. A fault of a room does not end a download.

        Raises: RuleDenied, ObjectNotFound, BucketNotFound.
        """
        place = reading.place
        if place.link:
            return
        try:
            async with self.holdings.bucket_of(caller.project, place.bucket) as (_, bucket):
                if bucket.id != row.bucket:
                    raise no_object(place.key)
                if not bucket.spec.public:
                    ruled = self.access.is_ruled(caller, Act.OBJECT_READ)
                    await self.access.need_read(caller, ruled, bucket, row, place.key)
        except Problem as problem:
            if problem.status < 500:
                raise

    async def allowed(self, caller: Caller, reading: Reading) -> Allowed:
        """Return the object of a request, if the caller may read it. Raises: the problems of a read."""
        place = reading.place
        key = checked_key(place.key)
        public, until = False, None
        try:
            async with self.holdings.bucket_of(caller.project, place.bucket) as (file, bucket):
                ruled = False
                if place.link:
                    grant = self.access.grant_of(caller, file.roots, bucket, place, "GET")
                    until = grant.until - int(self.holdings.clock.now().timestamp())
                elif not (public := bucket.spec.public):
                    ruled = self.access.is_ruled(caller, Act.OBJECT_READ)

                row, parts = await _looked_up(file, bucket.id, key)
                found = None if row is None else Found(row, parts, file.roots)
        except BucketNotFound:
            if place.link:
                raise InvalidLink(REFUSED) from None
            self.access.is_ruled(caller, Act.OBJECT_READ)  # callers without a key do not learn which buckets exist
            raise
        await self.access.need_read(caller, ruled, bucket, row, place.key)
        if found is None:
            raise no_object(place.key)
        cached = found.row.cache_control or bucket.spec.cache_control
        return Allowed(found, described(found.row, bucket.name), public, cached, until)

    async def _opened(self, caller: Caller, reading: Reading) -> tuple[Found, Opened]:
        allowed = await self.allowed(caller, reading)
        found = allowed.found
        start, end, status = _answered(found, reading)
        extras = msgspec.json.decode(found.row.extras, type=ObjectExtras)
        parts_count = sum([part.number > 0 for part in found.parts])
        of_part = next((part.checksum for part in found.parts if reading.part and part.number == reading.part), "")
        shared = (allowed.public, allowed.cached, allowed.until)
        return found, Opened(status, allowed.described, start, end, *shared, extras, parts_count, of_part)


async def _looked_up(file: ProjectFile, bucket: int, key: bytes) -> tuple[ObjectRow | None, list[BlobPart]]:
    """Return the row of an object and its parts. An object of a few parts is looked up in the event loop."""

    def look(connection: apsw.Connection, most: int) -> tuple[ObjectRow | None, list[BlobPart]]:
        row = find(connection, bucket, key)
        return row, [] if row is None else parts_of(connection, row.id, most)

    row, parts = await file.look(lambda connection: look(connection, LOOP_PARTS + 1))
    return (row, parts) if len(parts) <= LOOP_PARTS else await file.read(lambda connection: look(connection, ALL))


class _Blob:
    """One blob that is being read. Its key is read together with its first chunks, if these are needed."""

    def __init__(self, holdings: Holdings, project: str, roots: dict[int, bytes], part: BlobPart) -> None:
        self.holdings = holdings
        self.project = project
        self.roots = roots
        self.part = part
        self.key: BlobKey | None = None

    async def read(self, at: int, stop: int) -> bytes:
        """Return some bytes from `at` on, at most up to `stop`. Raises: Damaged, BlobMissing, StorageUnreachable."""
        first = at // CHUNK_BYTES
        last = min((stop - 1) // CHUNK_BYTES, first + PIECE_CHUNKS - 1)
        spans = [sealed_span(first, last, self.part.size)]
        if self.key is None:
            spans.insert(0, (0, HEADER_BYTES))

        def opened(found: list[memoryview]) -> bytes:
            if self.key is None:
                self.key = self._key(bytes(found[0]))
            return open_chunks(self.key, first, last, found[-1], self.part.size)

        content = await self.holdings.blobs.read_with(self.project, self.part.blob, spans, opened)
        base = first * CHUNK_BYTES
        return content[at - base : stop - base]

    def _key(self, header: bytes) -> BlobKey:
        root = self.roots.get(root_id_of(header))
        if root is None:
            raise Damaged("the blob was sealed with an unknown root key")
        return open_header(root, self.project, self.part.blob, header)


def _answered(found: Found, reading: Reading) -> tuple[int, int, int]:
    """Return the first byte, the byte after the last byte, and the status.

    Raises: ObjectChanged, RangeNotSatisfiable, InvalidPart.
    """
    row = found.row
    updated = time_of(row.updated)
    if is_unchanged(reading.conditions, row.etag, updated):
        return 0, 0, 304
    if reading.part:
        return _part_of(found, reading.part)
    ranged = not reading.head and is_same(reading.if_range, row.etag, updated)  # ranges are only for GET
    asked = asked_range(reading.range, row.size) if ranged else None
    return (0, row.size, 200) if asked is None else (*asked, 206)


def _part_of(found: Found, number: int) -> tuple[int, int, int]:
    """Return the place of a part. An object that was not uploaded in parts has one part. Raises: InvalidPart."""
    for part in found.parts:
        if part.number == number or (number == 1 and part.number == 0):
            return part.position, part.position + part.size, 206
    raise InvalidPart(f"The object has no part {number}.", number=number)
