"""The key of a list of objects rotates while it is written, and no crash makes the list unreadable."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.bundoc.backups import ProjectRestoring
from bunbase.contracts.caller import Caller
from bunbase.contracts.storage import NewBucket
from bunbase.contracts.storage_copies import FilesKey, NewRestore
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.sealed_sqlite.key_file import read_key_file
from bunbase.pkg.sealed_sqlite.rekeying import Rekeying
from bunbase.storage.service import StorageService
from tests.fakes import FakeKms
from tests.rooms import member_caller
from tests.storage.room import SECRET, opened_storage, put, read

OWNER = member_caller("prj_a")


async def rotated(storage: StorageService, caller: Caller = OWNER) -> FilesKey:
    """Wait for the end of the rotation."""
    state = await storage.rotate_files_key(caller)
    async with asyncio.timeout(30):
        while state is not None and state.rotating:
            await asyncio.wait([task for one in storage.rotations.running.values() if (task := one.task) is not None])
            state = await storage.files_key(caller)
    assert state is not None
    return state


async def test_a_rotation_changes_the_key_and_loses_no_write(tmp_path: Path) -> None:
    kms = FakeKms()
    async with opened_storage(tmp_path, kms) as storage:
        assert await storage.files_key(OWNER) is None
        assert await storage.rotate_files_key(OWNER) is None
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        with pytest.raises(Forbidden):
            await storage.rotate_files_key(msgspec.structs.replace(OWNER, role=None))
        await put(storage, "before", b"before")
        async with storage.holdings.files.using("prj_a") as file:
            assert file is not None
            old, roots = file.key, dict(file.roots)
        rotating = asyncio.create_task(rotated(storage))
        await asyncio.gather(*(put(storage, f"k{n}", b"%d" % n) for n in range(20)))
        state = await rotating

        assert (state.failed, state.since is not None) == (None, True)
        async with storage.holdings.files.using("prj_a") as file:
            assert file is not None
            assert (file.key != old, file.roots) == (True, roots)
        for number in range(20):
            assert await read(storage, f"k{number}") == b"%d" % number

    async with opened_storage(tmp_path, kms) as storage:
        assert await read(storage, "before") == b"before"
        assert not list((tmp_path / "storage" / "prj_a").glob("*.next"))


@pytest.mark.parametrize("moment", ["begin", "sync", "finish", "take_place"])
async def test_a_rotation_that_breaks_off_leaves_a_readable_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    kms = FakeKms()
    async with opened_storage(tmp_path, kms) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        await put(storage, "a", b"a")

        def fails(*_args: object) -> None:
            raise OSError(5, "the disk")

        with monkeypatch.context() as broken:
            broken.setattr(Rekeying, moment, fails)
            assert (await rotated(storage)).failed is not None
        assert await read(storage, "a") == b"a"
        found = read_key_file(tmp_path / "storage" / "prj_a")
        assert found is not None
        assert found.next == ""
        assert (await rotated(storage)).failed is None
        assert await read(storage, "a") == b"a"


async def test_a_crash_between_the_rename_and_the_key_file_leaves_a_readable_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kms = FakeKms()
    async with opened_storage(tmp_path, kms) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        await put(storage, "a", b"a")
        take_place = Rekeying.take_place

        def renamed_only(copy: Rekeying) -> None:
            take_place(copy)
            raise OSError(5, "the power")

        with monkeypatch.context() as broken:
            broken.setattr(Rekeying, "take_place", renamed_only)
            assert (await rotated(storage)).failed is not None
    async with opened_storage(tmp_path, kms) as storage:
        assert await read(storage, "a") == b"a"


async def test_a_rotation_and_a_restore_do_not_destroy_each_other(tmp_path: Path) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        await put(storage, "a", b"a")
        await storage.begin_restore("prj_a", NewRestore("rst_1", "prj_a", ""))
        await storage.restored_list("prj_a", "rst_1")
        await rotated(storage)
        with pytest.raises(Exception, match="key"):  # the restored list has the old key
            await storage.prepare_restore("prj_a", "rst_1")
        assert await read(storage, "a") == b"a"

        await storage.begin_restore("prj_a", NewRestore("rst_2", "prj_a", ""))
        await storage.restored_list("prj_a", "rst_2")
        await storage.prepare_restore("prj_a", "rst_2")
        with pytest.raises(ProjectRestoring):
            await storage.rotate_files_key(OWNER)
        await storage.abort_restore("prj_a", "rst_2")
        assert (await rotated(storage)).failed is None
        assert await read(storage, "a") == b"a"
