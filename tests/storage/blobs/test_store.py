"""The blob store on a disk, and on an S3 service."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from bunbase.contracts.storage import StorageUnreachable
from bunbase.storage.blobs.local import LocalFile, read_spans
from bunbase.storage.blobs.store import BlobMissing, BlobStore, new_blob_id, open_blobs
from bunbase.storage.settings import StorageSettings

PROJECT = "prj_a"


@pytest.fixture(params=["disk", "memory"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    with ThreadPoolExecutor(2) as pool:
        if request.param == "disk":
            yield open_blobs(StorageSettings(), tmp_path / "blobs", pool)
        else:
            yield BlobStore(MemoryStore(), None, pool)


async def written(blobs: BlobStore, content: bytes, project: str = PROJECT) -> str:
    blob = new_blob_id()
    writer = blobs.writer(project, blob)
    await writer.write(content)
    await writer.close()
    return blob


async def test_a_blob_is_read_back_in_ranges(blobs: BlobStore) -> None:
    content = os.urandom(3_000_000)

    blob = await written(blobs, content)

    assert bytes(await blobs.read(PROJECT, blob, 0, len(content))) == content
    assert bytes(await blobs.read(PROJECT, blob, 1_500_000, 1_500_010)) == content[1_500_000:1_500_010]
    assert [one async for one, _ in blobs.blobs(PROJECT)] == [blob]
    assert [one async for one, _ in blobs.blobs("prj_b")] == []


async def test_a_deleted_blob_is_missing_and_can_be_deleted_twice(blobs: BlobStore) -> None:
    blob, other = await written(blobs, b"1"), await written(blobs, b"2", "prj_b")

    await blobs.delete(PROJECT, [blob, new_blob_id()])
    await blobs.delete(PROJECT, [blob])

    with pytest.raises(BlobMissing):
        await blobs.read(PROJECT, blob, 0, 1)
    assert bytes(await blobs.read("prj_b", other, 0, 1)) == b"2"


async def test_the_blobs_of_one_project_are_deleted_together(blobs: BlobStore) -> None:
    await written(blobs, b"1")
    other = await written(blobs, b"2", "prj_b")

    await blobs.delete_project(PROJECT)
    await blobs.delete_project(PROJECT)

    assert [one async for one, _ in blobs.blobs(PROJECT)] == []
    assert [one async for one, _ in blobs.blobs("prj_b")] == [other]


async def test_an_abandoned_blob_leaves_no_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        blobs = open_blobs(StorageSettings(), tmp_path / "blobs", pool)
        writer = blobs.writer(PROJECT, new_blob_id())
        await writer.write(os.urandom(2_500_000))
        assert list((tmp_path / "blobs").rglob("*#*"))

        writer.abandon()

        async with asyncio.timeout(10):
            while any(path.is_file() for path in (tmp_path / "blobs").rglob("*")):
                await asyncio.sleep(0.01)


async def test_an_abandoned_file_takes_no_more_bytes_and_a_finished_one_stays(tmp_path: Path) -> None:
    abandoned, finished = LocalFile(tmp_path / "a" / "1"), LocalFile(tmp_path / "a" / "2")
    abandoned.write([b"1"])
    finished.write([b"1", b"2"])
    finished.finish([b"3"])

    abandoned.abandon()
    finished.abandon()

    with pytest.raises(OSError, match="abandoned"):
        abandoned.write([b"2"])
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["2"]
    assert read_spans(tmp_path / "a" / "2", [(0, 1), (1, 9)]) == [b"1", b"23"]


async def test_only_old_drafts_of_a_crash_are_deleted(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        blobs = open_blobs(StorageSettings(), tmp_path / "blobs", pool)
        blob = await written(blobs, b"1")
        folder = tmp_path / "blobs" / PROJECT / blob[:2]
        for name, age in ((f"{new_blob_id()}#1", 100), (f"{new_blob_id()}#1", 0)):
            (folder / name).write_bytes(b"draft")
            os.utime(folder / name, (os.stat(folder).st_mtime - age,) * 2)

        assert await blobs.delete_drafts(PROJECT, datetime.now(UTC) - timedelta(seconds=50)) == 1

        assert bytes(await blobs.read(PROJECT, blob, 0, 1)) == b"1"
        assert len(list(folder.iterdir())) == 2


async def test_a_disk_that_refuses_is_a_problem(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        blobs = open_blobs(StorageSettings(), tmp_path / "blobs", pool)
        (tmp_path / "blobs" / PROJECT).write_bytes(b"not a directory")

        with pytest.raises(StorageUnreachable):
            await written(blobs, b"1")


def test_settings_name_an_s3_service() -> None:
    settings = StorageSettings(
        s3_bucket="files", s3_endpoint="http://127.0.0.1:1", s3_access_key_id="a", s3_secret_access_key="b"
    )
    with ThreadPoolExecutor(1) as pool:
        blobs = open_blobs(settings, Path("unused"), pool)

    assert blobs.directory is None
    assert blobs.free_bytes() is None
