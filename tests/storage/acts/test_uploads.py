"""Uploads that stop: a client that is silent, one that sends too much at once, a disk that is almost full."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.bundoc.problems import DiskFull
from bunbase.contracts.storage import (
    MAX_BUCKETS,
    PIECE_BYTES,
    NewBucket,
    NewObject,
    Place,
    TooManyBuckets,
    UploadNotFound,
)
from bunbase.pkg.errors import InvalidInput
from bunbase.storage.service import StorageService
from tests.fakes import FakeKms
from tests.storage.room import SECRET, opened_storage, put, read

HERE = Place("files", "a")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageService]:
    async with opened_storage(tmp_path, FakeKms()) as service:
        await service.create_bucket(SECRET, NewBucket(name="files"))
        yield service


async def test_a_silent_upload_is_given_up(storage: StorageService) -> None:
    now = [0.0]
    storage.uploads.monotonic = lambda: now[0]
    silent = await storage.begin_upload(SECRET, HERE, NewObject())
    now[0] += storage.holdings.settings.idle_upload_seconds + 1
    busy = await storage.begin_upload(SECRET, HERE, NewObject())

    await storage.uploads.end_idle()

    with pytest.raises(UploadNotFound):
        await storage.feed_upload(SECRET, silent, b"x")
    await storage.feed_upload(SECRET, busy, b"x")
    await storage.finish_upload(SECRET, busy)
    assert not storage.uploads.running


async def test_a_piece_has_a_limit(storage: StorageService) -> None:
    upload = await storage.begin_upload(SECRET, HERE, NewObject())

    with pytest.raises(InvalidInput):
        await storage.feed_upload(SECRET, upload, bytes(PIECE_BYTES + 1))
    assert not storage.uploads.running


async def test_uploads_stop_before_the_disk_is_full(storage: StorageService) -> None:
    await put(storage, "a", b"kept")
    full = msgspec.structs.replace(storage.holdings.settings, min_free_mib=1 << 30)
    object.__setattr__(storage.holdings, "settings", full)

    with pytest.raises(DiskFull):
        await storage.begin_upload(SECRET, HERE, NewObject())
    assert not storage.uploads.running
    assert await read(storage, "a") == b"kept"


async def test_an_upload_into_a_bucket_that_was_deleted_and_made_again_arrives_there(storage: StorageService) -> None:
    upload = await storage.begin_upload(SECRET, HERE, NewObject())
    await storage.feed_upload(SECRET, upload, b"x")
    await storage.delete_bucket(SECRET, "files")
    await storage.create_bucket(SECRET, NewBucket(name="files"))

    await storage.finish_upload(SECRET, upload)

    assert await read(storage, "a") == b"x"


async def test_a_project_has_a_limited_number_of_buckets(storage: StorageService) -> None:
    for number in range(MAX_BUCKETS - 1):
        await storage.create_bucket(SECRET, NewBucket(name=f"bucket{number}"))

    with pytest.raises(TooManyBuckets):
        await storage.create_bucket(SECRET, NewBucket(name="one-more"))
