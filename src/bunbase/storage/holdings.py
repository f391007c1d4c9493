"""The parts that all acts of Storage share: files, blobs, rules, limits and the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.storage import MAX_KEY_BYTES, InvalidObjectKey, StoredObject
from bunbase.pkg.clock import Clock
from bunbase.storage.blobs.store import BlobStore
from bunbase.storage.deciding import Deciding
from bunbase.storage.rules import OpenBucket, open_bucket, time_of
from bunbase.storage.settings import StorageSettings
from bunbase.storage.store.buckets import no_bucket
from bunbase.storage.store.file import ProjectFile
from bunbase.storage.store.files import OpenFiles
from bunbase.storage.store.objects import ObjectRow, Quota

ATTEMPTS: Final = 5  # of a write whose object changes while it is decided


@dataclass(frozen=True)
class Holdings:
    files: OpenFiles
    blobs: BlobStore
    deciding: Deciding
    settings: StorageSettings
    clock: Clock
    pool: ThreadPoolExecutor

    @property
    def quota(self) -> Quota:
        return Quota(self.settings.max_objects, self.settings.max_bytes)

    def now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)

    @asynccontextmanager
    async def bucket_of(self, project: str, name: str) -> AsyncIterator[tuple[ProjectFile, OpenBucket]]:
        """Keep the project's file open during the block. Raises: BucketNotFound."""
        async with self.files.using(project, create=False) as file:
            if file is None:
                raise no_bucket(name)
            yield file, open_bucket(await file.bucket(name))


def checked_key(key: str) -> bytes:
    """Return the bytes of a key. Raises: InvalidObjectKey."""
    try:
        found = key.encode()
    except UnicodeEncodeError:
        raise InvalidObjectKey("A key is text in UTF-8.") from None
    if not 1 <= len(found) <= MAX_KEY_BYTES or b"\0" in found:
        raise InvalidObjectKey(f"A key has 1 to {MAX_KEY_BYTES} bytes of UTF-8, and no NUL.")
    return found


def described(row: ObjectRow, bucket: str) -> StoredObject:
    """Return an object as callers see it."""
    return StoredObject(
        row.key.decode(),
        bucket,
        row.size,
        row.etag,
        row.content_type,
        row.cache_control,
        msgspec.json.decode(row.metadata, type=dict[str, str]),
        row.owner,
        time_of(row.created),
        time_of(row.updated),
    )


def maker_of(caller: Caller) -> str:
    """Return the id of the key or account that makes a link."""
    if caller.kind is CallerKind.DEVELOPER and caller.developer is not None:
        return caller.developer.id
    return caller.key
