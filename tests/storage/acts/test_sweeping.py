"""The sweeper meets files that vanish while it looks at them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from bunbase.contracts.multipart import MULTIPART_SECONDS, MultipartListing, NewMultipart, NewPart, PartPlace
from bunbase.contracts.storage import NewBucket, StorageUnreachable
from bunbase.pkg.clock import ManualClock
from bunbase.storage.blobs import store
from bunbase.storage.blobs.store import BlobMissing
from tests.fakes import FakeKms
from tests.rooms import secret_caller
from tests.storage.room import opened_storage


@pytest.mark.parametrize("fault", [FileNotFoundError("gone"), BlobMissing("gone"), StorageUnreachable("later")])
async def test_a_project_that_cannot_be_swept_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        for project in ("prj_a", "prj_b", "prj_c"):
            await storage.create_bucket(secret_caller(project), NewBucket(name="files"))
        seen = []

        async def delete_drafts(project: str, _before: datetime) -> int:
            seen.append(project)
            raise fault

        monkeypatch.setattr(storage.holdings.blobs, "delete_drafts", delete_drafts)
        await storage.sweeping.sweep_everything()

        assert sorted(seen) == ["prj_a", "prj_b", "prj_c"]


async def test_an_upload_in_parts_ends_after_its_time_and_its_bytes_are_deleted(tmp_path: Path) -> None:
    clock = ManualClock()
    secret = secret_caller("prj_a")
    async with opened_storage(tmp_path, FakeKms(), clock) as storage:
        await storage.create_bucket(secret, NewBucket(name="files"))
        old = await storage.begin_multipart(secret, "files", "old", NewMultipart())
        part = await storage.begin_part(secret, NewPart(PartPlace("files", "old", old, 1)))
        await storage.feed_upload(secret, part.upload, b"rye")
        await storage.finish_part(secret, part.upload, "")
        clock.advance(MULTIPART_SECONDS - 10)
        new = await storage.begin_multipart(secret, "files", "new", NewMultipart())

        clock.advance(11)
        await storage.sweeping.sweep_everything()
        clock.advance(storage.holdings.settings.deleted_seconds + 1)
        await storage.sweeping.sweep()

        left = (await storage.multiparts(secret, "files", MultipartListing())).items
        assert [one.upload for one in left] == [new]
        assert [blob async for blob in storage.holdings.blobs.blobs("prj_a")] == []


def test_a_draft_that_becomes_a_blob_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ab"
    folder.mkdir()
    done = folder / ("ab" * 16 + "#1")

    def glob(_directory: Path, _pattern: str) -> list[Path]:
        return [done]

    monkeypatch.setattr(Path, "glob", glob)

    assert store._delete_drafts(tmp_path, 1e12) == 0
