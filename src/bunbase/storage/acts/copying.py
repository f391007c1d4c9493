"""Copy and move objects. No bytes are copied: the copy is a row that refers to the same blobs."""

from __future__ import annotations

import asyncio

import apsw
import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.object_extras import ObjectExtras
from bunbase.contracts.storage import (
    PLAIN_COPY,
    Conditions,
    CopyExtras,
    Copying,
    NewObject,
    ObjectChanged,
    ObjectConflict,
    ObjectTooLarge,
    WrittenObject,
)
from bunbase.pkg import metrics
from bunbase.storage.acts.access import Access, no_object, owner_of
from bunbase.storage.acts.downloads import Downloads, Found
from bunbase.storage.acts.sweeping import Sweeping
from bunbase.storage.acts.upload import check_extras, check_headers, check_metadata, encoded_extras, refused_type
from bunbase.storage.holdings import ATTEMPTS, Holdings, checked_key, described
from bunbase.storage.rules import OpenBucket, open_bucket, time_of
from bunbase.storage.serving.conditions import STALE, check_write, is_unchanged
from bunbase.storage.serving.media_types import SNIFFED_BYTES, fits, matches, valid_type
from bunbase.storage.store.blobs import Moved, parts_of
from bunbase.storage.store.file import ProjectFile
from bunbase.storage.store.objects import ObjectRow, Properties, find, move, put


class _Plan(msgspec.Struct, frozen=True):
    """One attempt: the two objects as they were read."""

    source_bucket: OpenBucket
    source: ObjectRow
    bucket: OpenBucket
    target: ObjectRow | None
    new: Properties


class CopyActs:
    def __init__(self, holdings: Holdings, downloads: Downloads, sweeping: Sweeping) -> None:
        self.holdings = holdings
        self.access = Access(holdings)
        self.downloads = downloads
        self.sweeping = sweeping

    async def copy(self, caller: Caller, copying: Copying, moves: bool, more: CopyExtras = PLAIN_COPY) -> WrittenObject:
        keys = checked_key(copying.source.key), checked_key(copying.to.key)
        check_headers(NewObject(copying.content_type or "", None, copying.cache_control or ""))
        check_metadata(copying.metadata or {}, "/metadata")
        check_extras(ObjectExtras(more.headers or {}, more.tags or {}))
        ruled = self.access.is_ruled(caller, Act.OBJECT_WRITE)
        self.access.is_ruled(caller, Act.OBJECT_READ)
        for number in range(ATTEMPTS):
            of_bucket = self.holdings.bucket_of(caller.project, copying.source.bucket)
            async with of_bucket as (file, source_bucket), file.attempt(number):
                plan = await self._planned(caller, ruled, file, source_bucket, copying, keys)
                plan = _with_extras(plan, more)
                await self._check(caller, ruled, file, plan, copying, moves)
                task = asyncio.ensure_future(self._written(caller, file, plan, keys[1], moves))
                try:
                    written = await asyncio.shield(task)
                except Moved:
                    file.forget_buckets()
                    continue
            metrics.storage_writes.labels("move" if moves else "copy").inc()
            self.sweeping.note(caller.project)
            return WrittenObject(described(written, plan.bucket.name), plan.target is None)
        raise ObjectConflict("Other writes changed the objects again and again; try again.")

    async def _planned(
        self,
        caller: Caller,
        ruled: bool,
        file: ProjectFile,
        source_bucket: OpenBucket,
        copying: Copying,
        keys: tuple[bytes, bytes],
    ) -> _Plan:
        """Raises: BucketNotFound, ObjectNotFound, RuleDenied."""
        bucket = open_bucket(await file.bucket(copying.to.bucket))

        def look(connection: apsw.Connection) -> tuple[ObjectRow | None, ObjectRow | None]:
            return find(connection, source_bucket.id, keys[0]), find(connection, bucket.id, keys[1])

        source, target = await file.read(look)
        await self.access.need_read(caller, ruled, source_bucket, source, copying.source.key)
        if source is None:
            raise no_object(copying.source.key)
        content_type = source.content_type if copying.content_type is None else valid_type(copying.content_type)
        cached = source.cache_control if copying.cache_control is None else copying.cache_control
        kept = copying.metadata is None
        metadata = source.metadata if kept else msgspec.json.encode(copying.metadata).decode()
        new = Properties(source.size, source.etag, content_type, cached, metadata, source.extras)
        return _Plan(source_bucket, source, bucket, target, new)

    async def _check(
        self, caller: Caller, ruled: bool, file: ProjectFile, plan: _Plan, copying: Copying, moves: bool
    ) -> None:
        """Raises: RuleDenied, ObjectNotFound, ObjectChanged, ObjectTooLarge, ContentTypeRefused."""
        if ruled:
            place = (plan.bucket.name, copying.to.key)
            row = plan.target or (plan.source if moves else None)  # the object whose owner and age the target has
            next = self.access.proposed(place, plan.new, row, owner_of(caller))
            await self.access.need_write(caller, plan.bucket, plan.target, next)
            if moves:
                await self.access.need_delete(caller, plan.source_bucket, plan.source, copying.source.key)
        target = plan.target
        if not copying.overwrite:
            updated = None if target is None else time_of(target.updated)
            check_write(Conditions(if_none_match="*"), None if target is None else target.etag, updated)
        if plan.source.size > plan.bucket.spec.max_bytes:
            limit = plan.bucket.spec.max_bytes
            raise ObjectTooLarge(f"An object of this bucket has at most {limit} bytes.", limit=limit)
        await self._check_type(caller.project, file, plan)

    async def _check_type(self, project: str, file: ProjectFile, plan: _Plan) -> None:
        """Check the type as for an upload: the bytes may come from a bucket that accepts every type."""
        types = plan.bucket.spec.mime
        if not types:
            return
        fitting = matches(plan.new.content_type, types)
        if fitting:
            parts = await file.read(lambda connection: parts_of(connection, plan.source.id))
            found = Found(plan.source, parts, file.roots)
            fitting = fits(plan.new.content_type, await self.downloads.beginning(project, found, SNIFFED_BYTES))
        if not fitting:
            raise refused_type(plan.new.content_type, types)

    async def _written(self, caller: Caller, file: ProjectFile, plan: _Plan, key: bytes, moves: bool) -> ObjectRow:
        """Raises: Moved."""
        now, quota, place = self.holdings.now_ms(), self.holdings.quota, (plan.bucket.id, key)
        state = None if plan.target is None else plan.target.state

        def write(connection: apsw.Connection) -> ObjectRow:
            source = find(connection, plan.source.bucket, plan.source.key)
            if source is None or source.state != plan.source.state:
                raise Moved
            before, id = state, source.id
            if moves and place != (source.bucket, source.key):
                move(connection, source, place, state, now)
                arrived = find(connection, *place)
                assert arrived is not None
                before, id = arrived.state, arrived.id
            parts = parts_of(connection, id)
            return put(connection, place, before, plan.new, parts, owner_of(caller), now, quota)

        return await file.write(write)


def _with_extras(plan: _Plan, more: CopyExtras) -> _Plan:
    """Check the conditions of a copy, and return the plan with the extras of the new object. Raises: ObjectChanged."""
    source, target = plan.source, plan.target
    if is_unchanged(more.source, source.etag, time_of(source.updated)):
        raise ObjectChanged(STALE)
    check_write(
        more.target, None if target is None else target.etag, None if target is None else time_of(target.updated)
    )
    extras = msgspec.json.decode(source.extras, type=ObjectExtras)
    headers = extras.headers if more.headers is None else more.headers
    tags = extras.tags if more.tags is None else more.tags
    new = encoded_extras(ObjectExtras(headers, tags, extras.checksum))
    return msgspec.structs.replace(plan, new=msgspec.structs.replace(plan.new, extras=new))
