"""Make the parts of a resumable upload an object: the rules decide about the object as it is, then one transaction."""

from __future__ import annotations

import hashlib
from functools import partial

import apsw
import msgspec

from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.caller import Caller
from bunbase.contracts.resumable import NewResumable
from bunbase.contracts.storage import (
    BucketNotFound,
    Conditions,
    ContentTypeRefused,
    ObjectChanged,
    ObjectConflict,
    ObjectTooLarge,
)
from bunbase.pkg import metrics
from bunbase.storage.acts.access import Access
from bunbase.storage.acts.downloads import Downloads, Stored
from bunbase.storage.acts.upload import refused_content
from bunbase.storage.holdings import ATTEMPTS, Holdings, described
from bunbase.storage.rules import OpenBucket, time_of
from bunbase.storage.serving.conditions import check_write
from bunbase.storage.serving.media_types import SNIFFED_BYTES, fits, matches
from bunbase.storage.store.blobs import Moved
from bunbase.storage.store.file import ProjectFile
from bunbase.storage.store.multipart import Completion, PartRow, end_multipart, numbered
from bunbase.storage.store.objects import ObjectRow, Properties, find
from bunbase.storage.store.resumable import Finished, Progress, finish_resumable, no_upload

LASTING = (BucketNotFound, ContentTypeRefused, ObjectChanged, ObjectTooLarge, RuleDenied)


class Completing:
    def __init__(self, holdings: Holdings, downloads: Downloads) -> None:
        self.holdings = holdings
        self.downloads = downloads
        self.access = Access(holdings)

    async def complete(self, caller: Caller, ruled: bool, found: Progress) -> Finished:
        """Store the object. If it can never be stored, end the upload.

        Raises: BucketNotFound, ContentTypeRefused, ObjectChanged, ObjectConflict, ObjectTooLarge, RuleDenied,
        StorageQuotaExceeded.
        """
        try:
            return await self._completed(caller, ruled, found)
        except LASTING:
            async with self.holdings.files.using(caller.project, create=False) as file:
                if file is not None:
                    await file.write(partial(end_multipart, upload=found.row.id, now=self.holdings.now_ms()))
            raise

    async def _completed(self, caller: Caller, ruled: bool, found: Progress) -> Finished:
        new = found.kept.new
        metadata = msgspec.json.encode(new.metadata).decode()
        etag = etag_of(found.parts)
        properties = Properties(found.offset, etag, new.content_type, new.cache_control, metadata)
        for number in range(ATTEMPTS):
            of_bucket = self.holdings.bucket_of(caller.project, new.bucket)
            async with of_bucket as (file, bucket), file.attempt(number):
                if bucket.id != found.row.bucket:
                    raise no_upload()
                row = await file.read(partial(find, bucket=bucket.id, key=found.row.key))
                if ruled:
                    next = self.access.proposed((bucket.name, new.key), properties, row, found.row.owner)
                    await self.access.need_write(caller, bucket, row, next)
                updated = None if row is None else time_of(row.updated)
                check_write(conditions_of(new), None if row is None else row.etag, updated)
                await self._check_content(caller.project, file, bucket, found)
                state, now = None if row is None else row.state, self.holdings.now_ms()
                parts, owner = numbered(found.parts), found.row.owner
                completion = Completion(state, properties, parts, owner, now, self.holdings.quota)

                def shown(written: ObjectRow, name: str = bucket.name) -> str:
                    return msgspec.json.encode(described(written, name)).decode()

                def finish(connection: apsw.Connection, completion: Completion = completion) -> Finished:
                    return finish_resumable(connection, found.row, completion, shown)

                try:
                    written = await file.write(finish)
                except Moved:
                    file.forget_buckets()
                    continue
                metrics.storage_writes.labels("resumable").inc()
                return written
        raise ObjectConflict("Other writes changed the object again and again; ask for the state of the upload again.")

    async def _check_content(self, project: str, file: ProjectFile, bucket: OpenBucket, found: Progress) -> None:
        """Check the size and the type as for an upload. Raises: ContentTypeRefused, ObjectTooLarge."""
        limit, types, declared = bucket.spec.max_bytes, bucket.spec.mime, found.kept.new.content_type
        if found.offset > limit:
            raise ObjectTooLarge(f"An object of this bucket has at most {limit} bytes.", limit=limit)
        if not types:
            return
        stored = Stored(list(numbered(found.parts)), file.roots)
        beginning = await self.downloads.beginning(project, stored, SNIFFED_BYTES)
        if not matches(declared, types) or not fits(declared, beginning):
            raise refused_content(declared, beginning, types)


def conditions_of(new: NewResumable) -> Conditions:
    return Conditions(if_match=new.if_match, if_none_match=new.if_none_match)


def etag_of(parts: tuple[PartRow, ...]) -> str:
    """Return the MD5 of the bytes, or for several parts the MD5 of their MD5s and their number, as S3 does."""
    if len(parts) == 1:
        return parts[0].etag
    digests = b"".join([bytes.fromhex(part.etag) for part in parts])
    found = hashlib.md5(digests, usedforsecurity=False).hexdigest()
    return f"{found}-{len(parts)}" if parts else found
