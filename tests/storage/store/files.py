"""A project's file with real encryption, for tests of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import apsw

from bunbase.storage.store.blobs import BlobPart, add_blob
from bunbase.storage.store.files import OpenFiles
from bunbase.storage.store.objects import Properties, Quota, State, put
from tests.fakes import FakeKms

QUOTA = Quota(1 << 40, 1 << 40)


@asynccontextmanager
async def opened_files(directory: Path, kms: FakeKms | None = None, max_open: int = 10) -> AsyncIterator[OpenFiles]:
    directory.mkdir(exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        files = OpenFiles(directory, kms or FakeKms(), pool, max_open)
        try:
            yield files
        finally:
            await files.close()


def plain_properties(size: int) -> Properties:
    return Properties(size, "etag", "text/plain", "", "{}")


def put_one(connection: apsw.Connection, bucket: int, key: str, blob: str, size: int = 1, before: State = None) -> None:
    add_blob(connection, blob, size)
    put(connection, (bucket, key.encode()), before, plain_properties(size), [BlobPart(0, blob, size)], None, 1, QUOTA)
