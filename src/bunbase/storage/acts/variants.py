"""Read variants of images. The rules decide exactly as for the original, before any work.

The life of a request: the object is found and the rules decide; the conditions are compared with the ETag of the
variant; a kept variant is read like an object; otherwise a confined process makes it, and it is kept for the next
request. Several requests for the same variant at the same time wait for one process.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from functools import partial
from typing import Final

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.images import ImageTooLarge, NotAnImage, Transform
from bunbase.contracts.storage import ObjectDamaged, Opened, Piece, Reading, StoredObject
from bunbase.pkg import metrics
from bunbase.pkg.cache import Cache
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger
from bunbase.pkg.shared_calls import SharedCalls
from bunbase.storage.acts.downloads import Allowed, Downloads, Found, Stored
from bunbase.storage.acts.sweeping import Sweeping
from bunbase.storage.blobs.format import Sealer
from bunbase.storage.blobs.store import new_blob_id
from bunbase.storage.holdings import Holdings
from bunbase.storage.images.makers import Makers
from bunbase.storage.images.orders import Order
from bunbase.storage.images.sizes import name_of, order_of
from bunbase.storage.rules import time_of
from bunbase.storage.serving.conditions import is_same, is_unchanged
from bunbase.storage.serving.media_types import SNIFFED_BYTES, is_picture
from bunbase.storage.serving.ranges import asked_range
from bunbase.storage.store.blobs import BlobPart
from bunbase.storage.store.variants import Source, Variant, add_variant, drop_variant, find_variant

log = logger("storage")

MAX_INPUT_BYTES: Final = 25 << 20
MOST_REFUSED: Final = 10_000  # refusals of all projects that are remembered
REFUSED_SECONDS: Final = 60.0  # short, because a busy machine refuses images that it can change later
PIECE_BYTES: Final = 512 << 10
ENDINGS: Final = {"image/webp": "webp", "image/avif": "avif", "image/jpeg": "jpg", "image/png": "png"}

Pieces = AsyncGenerator[bytes, None]
Key = tuple[str, Source, str]  # project, version of the object, name of the variant


class Ready(msgspec.Struct, frozen=True):
    """A variant whose bytes are at hand. `stored`: where they are kept, or None if they are only in `data`."""

    content_type: str
    size: int
    data: bytes = b""
    stored: Variant | None = None


class VariantActs:
    def __init__(self, holdings: Holdings, downloads: Downloads, sweeping: Sweeping, makers: Makers) -> None:
        self.holdings = holdings
        self.downloads = downloads
        self.sweeping = sweeping
        self.makers = makers
        self.making: SharedCalls[Key, Ready] = SharedCalls()
        # a page may show an image that needs ten seconds and is refused, and each visitor would start the work again
        self.refused: Cache[Key, tuple[type[Problem], str]] = Cache(MOST_REFUSED, REFUSED_SECONDS)

    async def read(self, caller: Caller, reading: Reading, wanted: Transform) -> AsyncIterator[Opened | Piece]:
        allowed = await self.downloads.allowed(caller, reading)
        order = order_of(wanted)
        row, etag = allowed.found.row, f"{allowed.found.row.etag}-{name_of(order)}"
        updated = time_of(row.updated)
        if is_unchanged(reading.conditions, etag, updated):
            yield self._opened(allowed, wanted, Ready(row.content_type, 0), etag, (0, 0, 304))
            return
        ready, first, pieces = await self._ready(caller.project, allowed, order)
        try:
            ranged = not reading.head and is_same(reading.if_range, etag, updated)
            asked = asked_range(reading.range, ready.size) if ranged else None
            start, end, status = (0, ready.size, 200) if asked is None else (*asked, 206)
            yield self._opened(allowed, wanted, ready, etag, (start, end, status))
            if not reading.head:
                async for piece in _cut(first, pieces, start, end):
                    self.downloads.meter.count_download(caller.project, len(piece))
                    yield Piece(piece)
        finally:
            await pieces.aclose()

    async def close(self) -> None:
        await self.makers.close()

    def _opened(
        self, allowed: Allowed, wanted: Transform, ready: Ready, etag: str, answered: tuple[int, int, int]
    ) -> Opened:
        start, end, status = answered
        described = allowed.described
        variant: StoredObject = msgspec.structs.replace(
            described,
            key=_named(described.key, ready.content_type),
            size=ready.size,
            etag=etag,
            content_type=ready.content_type,
        )
        vary = "Accept" if wanted.format == "auto" else ""
        return Opened(status, variant, start, end, allowed.public, allowed.cached, allowed.until, vary=vary)

    async def _ready(self, project: str, allowed: Allowed, order: Order) -> tuple[Ready, bytes, Pieces]:
        """Return a variant, its first bytes, and the generator of the other ones: the kept variant, or a new one."""
        found, name = allowed.found, name_of(order)
        for last in (False, True):
            kept = await self._kept(project, found, name)
            if kept is not None:
                metrics.storage_images.labels("kept").inc()
                ready = Ready(kept.content_type, kept.size, stored=kept)
            else:
                key = (project, source_of(found), name)
                ready = await self.making.result(key, partial(self._make, project, allowed, order))
            if ready.stored is None:
                return ready, b"", _pieces_of(ready.data)
            pieces = self._read(project, found, ready.stored)
            try:
                return ready, await anext(pieces), pieces
            except ObjectDamaged:  # it can be made again
                if last:
                    raise
        raise AssertionError

    async def _read(self, project: str, found: Found, kept: Variant) -> Pieces:
        """Yield the bytes of a kept variant. It is not deleted meanwhile; if it is damaged, it is forgotten."""
        stored = Stored([BlobPart(0, kept.blob, kept.size)], found.roots)
        try:
            with self.sweeping.in_use(kept.blob):
                async with aclosing(self.downloads.pieces(project, stored, 0, kept.size)) as pieces:
                    async for piece in pieces:
                        yield piece
        except ObjectDamaged:
            await self._forget(project, found.row.id, kept.blob)
            raise

    async def _kept(self, project: str, found: Found, name: str) -> Variant | None:
        async with self.holdings.files.using(project, create=False) as file:
            if file is None:
                return None
            return await file.read(partial(find_variant, source=source_of(found), name=name))

    async def _forget(self, project: str, object: int, blob: str) -> None:
        async with self.holdings.files.using(project, create=False) as file:
            if file is not None:
                await file.write(partial(drop_variant, object=object, blob=blob))

    async def _make(self, project: str, allowed: Allowed, order: Order) -> Ready:
        """Make a variant and keep it. Raises: NotAnImage, ImageTooLarge, ImagesBusy, ImagesUnavailable."""
        found, name = allowed.found, name_of(order)
        if (kept := await self._kept(project, found, name)) is not None:
            # it was finished between the look of this request and its turn
            return Ready(kept.content_type, kept.size, stored=kept)
        if found.row.size > MAX_INPUT_BYTES:
            raise ImageTooLarge(f"Images of at most {MAX_INPUT_BYTES >> 20} MiB can be changed.", limit=MAX_INPUT_BYTES)
        if not is_picture(await self.downloads.beginning(project, found, SNIFFED_BYTES)):
            raise NotAnImage("Only PNG, JPEG, GIF, WebP and AVIF can be changed. Ask for the object without a size.")
        content = partial(self.downloads.pieces, project, found, 0, found.row.size)
        key = (project, source_of(found), name)
        if (refusal := self.refused.get(key)) is not None:
            raise refusal[0](refusal[1])
        try:
            made, data = await self.makers.make(project, order, found.row.size, content)
        except (NotAnImage, ImageTooLarge) as problem:
            self.refused.put(key, (type(problem), problem.detail))
            raise
        if made.content_type not in ENDINGS:  # the process may be under the control of an attacker
            raise NotAnImage("The image could not be read.")
        stored = await self._keep(project, found, name, made.content_type, data)
        # a slow caller of a kept variant holds one piece in memory, and not all bytes
        return Ready(made.content_type, len(data), b"" if stored is not None else data, stored)

    async def _keep(self, project: str, found: Found, name: str, content_type: str, data: bytes) -> Variant | None:
        """Keep a variant for later requests, and return it. If this fails, the answer is still sent."""
        blob, kept = new_blob_id(), False
        free, settings = self.holdings.blobs.free_bytes(), self.holdings.settings
        if free is not None and free - len(data) < settings.min_free_mib << 20:
            return None
        variant = Variant(name, blob, len(data), content_type, self.holdings.now_ms())
        try:
            async with self.holdings.files.using(project, create=False) as file:
                if file is None:
                    return None
                await self._written(project, blob, file.root, data)
                most = settings.max_variant_bytes
                kept = await file.write(partial(add_variant, source=source_of(found), new=variant, most_bytes=most))
            self.sweeping.note(project)
        except Problem as problem:
            log.warning("a variant of an image was not kept", project=project, code=problem.code)
        finally:
            if not kept:
                with suppress(Problem):
                    await self.holdings.blobs.delete(project, [blob])
        return variant if kept else None

    async def _written(self, project: str, blob: str, root: tuple[int, bytes], data: bytes) -> None:
        loop = asyncio.get_running_loop()
        sealed = await loop.run_in_executor(self.holdings.pool, _sealed, root, project, blob, data)
        writer = self.holdings.blobs.writer(project, blob)
        try:
            await writer.write(sealed)
            await writer.close()
        except BaseException:
            writer.abandon()
            raise


def source_of(found: Found) -> Source:
    return Source(found.row.id, found.row.change, found.row.etag)


def _sealed(root: tuple[int, bytes], project: str, blob: str, data: bytes) -> bytes:
    id, key = root
    sealer = Sealer(key, id, project, blob)
    return b"".join([sealer.header, *sealer.seal(data), sealer.finish()])


def _named(key: str, content_type: str) -> str:
    """Return the key with the ending of the variant, for the name of the downloaded file."""
    ending = ENDINGS.get(content_type)
    return key if ending is None else f"{posixpath.splitext(key)[0]}.{ending}"


async def _pieces_of(data: bytes) -> Pieces:
    for at in range(0, len(data), PIECE_BYTES):
        yield data[at : at + PIECE_BYTES]


async def _cut(first: bytes, pieces: Pieces, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield the bytes from `start` to before `end`. `first`: the bytes before those of `pieces`."""
    at, piece = 0, first
    while at < end:
        if part := piece[max(0, start - at) : max(0, end - at)]:
            yield part
        at += len(piece)
        if at < end:
            piece = await anext(pieces)
