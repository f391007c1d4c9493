"""The open files of projects: encrypted, bound to the key of their project, and shared by few connections."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from bunbase.contracts.bunkms import KeyDestroyed
from bunbase.contracts.storage import StorageBusy, StorageUnreadable
from bunbase.storage.store.buckets import all_buckets, create_bucket
from bunbase.storage.store.files import IDLE_SECONDS, KEY_SECONDS, OpenFiles
from tests.fakes import FakeKms
from tests.storage.store.files import opened_files


async def create(files: OpenFiles, project: str, name: str) -> None:
    async with files.using(project) as file:
        assert file is not None
        await file.write(lambda connection: create_bucket(connection, name, "{}", 1))


async def names(files: OpenFiles, project: str) -> list[str]:
    async with files.using(project) as file:
        assert file is not None
        return [one.name for one in await file.read(all_buckets)]


async def test_a_file_is_encrypted_and_opens_again_with_its_root_key(tmp_path: Path) -> None:
    kms = FakeKms()
    async with opened_files(tmp_path, kms) as files:
        await create(files, "prj_a", "secretname")
        async with files.using("prj_a") as file:
            assert file is not None
            root = file.root
    for path in (tmp_path / "prj_a").iterdir():
        assert b"secretname" not in path.read_bytes()
        assert b"SQLite format" not in path.read_bytes()

    async with opened_files(tmp_path, kms) as files:
        assert await names(files, "prj_a") == ["secretname"]
        assert await names(files, "prj_b") == []
        async with files.using("prj_a") as again, files.using("prj_b") as other:
            assert again is not None
            assert other is not None
            assert again.root == root
            assert other.root[1] != root[1]


async def test_a_destroyed_key_closes_the_file(tmp_path: Path) -> None:
    kms = FakeKms()
    now = [0.0]
    async with opened_files(tmp_path, kms) as files:
        files.monotonic = lambda: now[0]
        await create(files, "prj_a", "files")
        await kms.destroy("prj_a")

        assert await names(files, "prj_a") == ["files"]
        now[0] += KEY_SECONDS
        with pytest.raises(KeyDestroyed):
            await names(files, "prj_a")
        assert not files.files
        await files.drop("prj_a")
        await files.drop("prj_a")
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(KeyDestroyed):
            await names(files, "prj_a")


async def test_the_key_is_confirmed_before_it_is_too_old_and_idle_files_close(tmp_path: Path) -> None:
    kms = FakeKms()
    now = [0.0]
    async with opened_files(tmp_path, kms) as files:
        files.monotonic = lambda: now[0]
        await create(files, "prj_a", "files")
        for _ in range(10):
            now[0] += IDLE_SECONDS - 1
            assert await names(files, "prj_a") == ["files"]
            await files.tend()

        assert "prj_a" in files.files
        assert kms.calls.count("unwrap_data_key") >= 3
        now[0] += IDLE_SECONDS
        await files.tend()
        assert not files.files


async def test_a_project_without_a_file_needs_none_to_be_read(tmp_path: Path) -> None:
    async with opened_files(tmp_path) as files:
        async with files.using("prj_a", create=False) as file:
            assert file is None
        assert await files.projects() == []


async def test_another_file_closes_when_too_many_are_open(tmp_path: Path) -> None:
    async with opened_files(tmp_path, max_open=2) as files:
        for number in range(8):
            await create(files, f"prj_{number}", "files")
            assert len(files.files) <= 2

        async with files.using("prj_0"), files.using("prj_1"):
            with pytest.raises(StorageBusy):
                await names(files, "prj_2")
        assert await names(files, "prj_2") == ["files"]


async def test_a_failed_transaction_changes_nothing(tmp_path: Path) -> None:
    async with opened_files(tmp_path) as files:
        async with files.using("prj_a") as file:
            assert file is not None

            def fails(connection: apsw.Connection) -> None:
                create_bucket(connection, "files", "{}", 1)
                raise KeyError

            with pytest.raises(KeyError):
                await file.write(fails)
        assert await names(files, "prj_a") == []


async def test_a_lost_database_is_no_empty_one(tmp_path: Path) -> None:
    kms = FakeKms()
    async with opened_files(tmp_path, kms) as files:
        await create(files, "prj_a", "files")
    (tmp_path / "prj_a" / "data.db").unlink()

    async with opened_files(tmp_path, kms) as files:
        with pytest.raises(StorageUnreadable):
            await names(files, "prj_a")
