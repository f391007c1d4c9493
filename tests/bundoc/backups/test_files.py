"""A backup has the files of the project, and a restore brings documents and files back together."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
import pytest
from obstore.store import MemoryStore

from bunbase.bundoc.backups.engine import CommittedRestore, Contents, Progress
from bunbase.bundoc.backups.files import KEY
from bunbase.bundoc.sqlite_engine.copies import SqliteCopies
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.contracts.bundoc.backups import Backup, BackupFailed, BackupJob, BackupReason, BackupSchedule, JobState
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.storage import BucketNotFound, Place
from bunbase.pkg.clock import ManualClock, SystemClock
from bunbase.pkg.errors import Unreachable
from tests.bundoc.backups.backed_up import (
    OTHER_OWNER,
    OTHER_SERVER,
    OWNER,
    SERVER,
    backed_up,
    bodies,
    ended,
    put,
    restored,
)
from tests.bundoc.backups.two_rooms import blobs_in, create_bucket, files_of, two_rooms, upload
from tests.fakes import FakeKms
from tests.storage.room import put_in_parts

LARGE = (3 << 20) + 5


async def verified(bundoc: Bundoc, id: str, deep: bool = False, caller: Caller = OWNER) -> BackupJob:
    return await ended(bundoc, caller, await bundoc.verify_backup(caller, id, deep))


async def the_backup(bundoc: Bundoc, id: str, caller: Caller = OWNER) -> Backup:
    return await bundoc.backup(caller, id)


async def test_documents_and_files_come_back_together(tmp_path: Path) -> None:
    async with two_rooms(tmp_path, FakeKms()) as both:
        await put(both.bundoc, "d1")
        await create_bucket(both.storage)
        wanted = {"small": b"small", "large": os.urandom(LARGE), "empty": b""}
        for key, content in wanted.items():
            await upload(both.storage, key, content)
        both.storage.multipart_acts.min_part_bytes = 1
        wanted["parts"] = os.urandom(700_000)
        await put_in_parts(both.storage, "parts", wanted["parts"])
        before = await bodies(both.bundoc)
        id = await backed_up(both.bundoc)
        backup = await the_backup(both.bundoc, id)
        assert backup.objects is not None
        assert (backup.objects.objects, backup.objects.bytes) == (4, LARGE + 700_005)
        assert backup.documents_at <= backup.objects.taken_at
        await put(both.bundoc, "d2")
        await upload(both.storage, "small", b"changed")
        await both.storage.delete_object(SERVER, Place("files", "large"))
        await both.storage.sweeping.sweep_everything()
        changed = await files_of(both.storage)

        job = await restored(both.bundoc, id)

        assert (job.state, job.files) == (JobState.DONE, True)
        assert await files_of(both.storage) == wanted
        assert await bodies(both.bundoc) == before
        assert job.safety_backup is not None
        back = await restored(both.bundoc, job.safety_backup)
        assert back.state is JobState.DONE
        assert await files_of(both.storage) == changed
        assert (await both.bundoc.backup(OWNER, job.safety_backup)).reason is BackupReason.BEFORE_RESTORE
        assert not list((tmp_path / "storage" / ".drafts").iterdir())
        assert not list((tmp_path / "bundoc" / ".drafts").iterdir())


async def test_a_blob_is_copied_once_and_freed_with_its_last_backup(tmp_path: Path) -> None:
    async with two_rooms(tmp_path, FakeKms()) as both:
        await create_bucket(both.storage)
        await upload(both.storage, "a", b"a")
        first = await backed_up(both.bundoc)
        kept = {path: path.stat().st_ino for path in (tmp_path / "backups" / "prj_a" / "blobs").rglob("*")}
        await upload(both.storage, "b", b"b")
        await both.storage.delete_object(SERVER, Place("files", "a"))
        second = await backed_up(both.bundoc)
        assert all(path.stat().st_ino == inode for path, inode in kept.items())
        assert len(blobs_in(tmp_path / "backups")) == 2

        await both.bundoc.delete_backup(OWNER, first)
        await both.bundoc.backup_service.free_blobs()
        assert len(blobs_in(tmp_path / "backups")) == 1
        assert (await verified(both.bundoc, second, deep=True)).state is JobState.DONE

        await both.bundoc.delete_backup(OWNER, second)
    async with two_rooms(tmp_path, FakeKms()) as both:  # blobs that a crash left are found at the start
        await both.bundoc.backup_service.free_blobs()
        assert blobs_in(tmp_path / "backups") == set()


async def test_verify_notices_each_kind_of_damage(tmp_path: Path) -> None:
    async with two_rooms(tmp_path, FakeKms()) as both:
        await create_bucket(both.storage)
        await upload(both.storage, "a", os.urandom(200_000))
        await upload(both.storage, "b", b"b")
        id = await backed_up(both.bundoc)
        assert (await verified(both.bundoc, id, deep=True)).state is JobState.DONE
        folder = tmp_path / "backups" / "prj_a"
        blob = max(
            (path for path in (folder / "blobs").rglob("*") if path.is_file()), key=lambda one: one.stat().st_size
        )
        whole = blob.read_bytes()

        blob.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
        assert (await verified(both.bundoc, id)).state is JobState.DONE  # only the size is checked
        deep = await verified(both.bundoc, id, deep=True)
        assert deep.problem is not None
        assert (deep.problem["code"], blob.name in deep.problem["file"]) == ("backup_damaged", True)
        for damage in (lambda: blob.write_bytes(whole[:-1]), blob.unlink):
            damage()
            job = await verified(both.bundoc, id)
            assert job.problem is not None
            assert job.problem["code"] == "backup_damaged"
            failed = await restored(both.bundoc, id)
            assert failed.state is JobState.FAILED
        blob.write_bytes(whole)
        listed = folder / id / "blobs.list"
        listed.write_text(listed.read_text().replace(" ", " 1", 1))
        job = await verified(both.bundoc, id)
        assert job.problem is not None
        assert job.problem["code"] == "backup_damaged"
        assert set(await files_of(both.storage)) == {"a", "b"}


async def test_a_backup_without_files_leaves_files_as_they_are(tmp_path: Path) -> None:
    async with two_rooms(tmp_path, FakeKms()) as both:
        await put(both.bundoc, "d1")
        await create_bucket(both.storage)
        await upload(both.storage, "a", b"a")
        job = await ended(both.bundoc, OWNER, await both.bundoc.create_backup(OWNER, files=False))
        with_files = await backed_up(both.bundoc)
        await upload(both.storage, "b", b"b")

        assert (await restored(both.bundoc, job.backup)).state is JobState.DONE
        assert set(await files_of(both.storage)) == {"a", "b"}
        assert (await the_backup(both.bundoc, job.backup)).objects is None
        without = await both.bundoc.restore_backup(OWNER, OWNER, with_files, files=False)
        assert (await ended(both.bundoc, OWNER, without)).state is JobState.DONE
        assert set(await files_of(both.storage)) == {"a", "b"}


async def test_a_clone_has_files_under_its_own_key_and_two_projects_never_meet(tmp_path: Path) -> None:
    kms = FakeKms()
    async with two_rooms(tmp_path, kms) as both:
        await put(both.bundoc, "d1")
        await create_bucket(both.storage)
        await upload(both.storage, "a", os.urandom(LARGE))
        wanted = await files_of(both.storage)
        id = await backed_up(both.bundoc)
        job = await restored(both.bundoc, id, into=OTHER_OWNER)
        assert (job.state, job.safety_backup) == (JobState.DONE, None)
        assert await files_of(both.storage, OTHER_SERVER) == wanted
        await upload(both.storage, "mine", b"mine", OTHER_SERVER)
        assert await files_of(both.storage) == wanted
        other = await backed_up(both.bundoc, OTHER_OWNER)
        await both.storage.delete_object(SERVER, Place("files", "a"))
        again = await restored(both.bundoc, id, into=OTHER_OWNER)  # a refresh of a copy
        assert again.safety_backup is not None
        assert await files_of(both.storage, OTHER_SERVER) == wanted
        assert await files_of(both.storage) == {}

        await kms.destroy("prj_a")
        await both.bundoc.drop_project("prj_a")
        await both.storage.drop_project("prj_a")

        assert await files_of(both.storage, OTHER_SERVER) == wanted
        assert (await verified(both.bundoc, other, True, OTHER_OWNER)).state is JobState.DONE
        assert not (tmp_path / "backups" / "prj_a").exists()
        assert not (tmp_path / "storage" / "blobs" / "prj_a").exists()


async def test_a_backup_from_before_the_first_file_empties_the_project(tmp_path: Path) -> None:
    async with two_rooms(tmp_path, FakeKms()) as both:
        await put(both.bundoc, "d1")
        id = await backed_up(both.bundoc)
        await create_bucket(both.storage)
        await upload(both.storage, "a", b"a")
        job = await restored(both.bundoc, id)
        with pytest.raises(BucketNotFound):
            await files_of(both.storage)
        assert job.safety_backup is not None
        await restored(both.bundoc, job.safety_backup)
        assert await files_of(both.storage) == {"a": b"a"}


async def test_a_project_with_files_only_is_backed_up_by_the_schedule(tmp_path: Path) -> None:
    clock = ManualClock(SystemClock().now())
    async with two_rooms(tmp_path, FakeKms(), clock) as both:
        await both.bundoc.set_backup_schedule(OWNER, BackupSchedule(1, 2))
        await create_bucket(both.storage)
        await upload(both.storage, "a", b"a")
        for round in range(4):
            clock.advance(7200)
            await both.bundoc.backup_service.back_up_due()
            found = (await both.bundoc.backups(OWNER, 100, None)).items
            assert len(found) == min(2, round + 1)
            assert found[0].objects is not None
            assert found[0].objects.objects == round + 1
            await upload(both.storage, f"more {round}", b"more")
        await both.storage.delete_object(SERVER, Place("files", "a"))
        for _ in range(2):
            clock.advance(7200)
            await both.bundoc.backup_service.back_up_due()
            await upload(both.storage, "last", b"last")
        await both.bundoc.backup_service.free_blobs()
        lists = [path.read_text().splitlines() for path in (tmp_path / "backups").rglob("blobs.list")]
        assert blobs_in(tmp_path / "backups") == {line.split()[0] for lines in lists for line in lines}


async def test_documents_are_backed_up_by_the_schedule_even_if_files_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock(SystemClock().now())
    async with two_rooms(tmp_path, FakeKms(), clock) as both:
        await both.bundoc.set_backup_schedule(OWNER, BackupSchedule(1, 2))
        await put(both.bundoc, "d1")
        await create_bucket(both.storage)
        await upload(both.storage, "a", b"a")

        async def unreachable(_project: str, _blob: str) -> int:
            raise Unreachable("S3 is down.")

        monkeypatch.setattr(both.storage.holdings.blobs, "size", unreachable)
        clock.advance(7200)
        await both.bundoc.backup_service.back_up_due()
        (found,) = (await both.bundoc.backups(OWNER, 100, None)).items
        assert (found.objects, sum(one.documents for one in found.collections)) == (None, 1)
        manual = await ended(both.bundoc, OWNER, await both.bundoc.create_backup(OWNER))
        assert manual.state is JobState.FAILED


async def test_a_backup_of_an_older_version_restores_and_leaves_files_as_they_are(tmp_path: Path) -> None:
    async with two_rooms(tmp_path, FakeKms()) as both:
        await put(both.bundoc, "d1")
        await create_bucket(both.storage)
        await upload(both.storage, "a", b"a")
        job = await ended(both.bundoc, OWNER, await both.bundoc.create_backup(OWNER, files=False))
        folder = tmp_path / "backups" / "prj_a" / job.backup
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
        older = {key: value for key, value in manifest.items() if key not in ("objects", "documents_at")}
        (folder / "manifest.json").write_bytes(msgspec.json.encode(older))
        (folder / "manifest.mac").unlink()
        await put(both.bundoc, "d2")

        done = await restored(both.bundoc, job.backup, unauthenticated=True)

        assert (done.state, done.files) == (JobState.DONE, False)
        assert await files_of(both.storage) == {"a": b"a"}
        assert (await bodies(both.bundoc)).count(b"_id") == 1


async def test_blobs_of_an_object_store_are_backed_up_and_restored(tmp_path: Path) -> None:
    async with two_rooms(tmp_path, FakeKms()) as both:
        blobs = both.storage.holdings.blobs
        blobs.backend, blobs.directory = MemoryStore(), None
        await create_bucket(both.storage)
        wanted = {"large": os.urandom(LARGE), "empty": b""}
        for key, content in wanted.items():
            await upload(both.storage, key, content)
        id = await backed_up(both.bundoc)
        assert len(blobs_in(tmp_path / "backups")) == 2
        blobs.backend = MemoryStore()  # all bytes are lost

        assert (await restored(both.bundoc, id)).state is JobState.DONE
        assert await files_of(both.storage) == wanted
        assert (await restored(both.bundoc, id, into=OTHER_OWNER)).state is JobState.DONE
        assert await files_of(both.storage, OTHER_SERVER) == wanted


async def test_the_server_starts_although_a_decided_restore_belongs_to_a_deleted_project(
    tmp_path: Path,
) -> None:
    draft = tmp_path / "bundoc" / ".drafts" / "one"
    draft.mkdir(parents=True)
    mark = CommittedRestore("prj_gone", "rst_1", "bunkms:v1:x")
    (draft / "committed.json").write_bytes(msgspec.json.encode(mark))
    async with two_rooms(tmp_path, FakeKms()) as both:
        await both.bundoc.backup_service.settle_restores()
        assert not draft.exists()
        assert not (tmp_path / "bundoc" / "prj_gone").exists()


async def test_a_backup_during_a_rotation_of_the_key_has_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, attempts = SqliteCopies._copy, list[int]()

    async def replaced_once(
        copies: SqliteCopies, project: str, file: ProjectFile, folder: Path, progress: Progress
    ) -> Contents:
        attempts.append(1)
        if len(attempts) > 1:
            return await copy(copies, project, file, folder, progress)
        progress.tell(1, 2)  # now the files are copied
        async with asyncio.timeout(20):
            while not (folder / KEY).exists():
                await asyncio.sleep(0.01)
        await upload(both.storage, "late", b"named by a document of the second snapshot")
        file.closing = True
        asyncio.get_running_loop().call_soon(setattr, file, "closing", False)
        raise BackupFailed("The file was replaced.")

    async with two_rooms(tmp_path, FakeKms()) as both:
        await create_bucket(both.storage)
        await put(both.bundoc, "d1", b"{}")
        await upload(both.storage, "early", b"early")
        monkeypatch.setattr(SqliteCopies, "_copy", replaced_once)
        id = await backed_up(both.bundoc)
        checked = await verified(both.bundoc, id, deep=True)
        for key in ("early", "late"):
            await both.storage.delete_object(SERVER, Place("files", key))
        job = await restored(both.bundoc, id)

        assert (checked.state, job.state) == (JobState.DONE, JobState.DONE)
        assert set(await files_of(both.storage)) == {"early", "late"}
    assert len(attempts) >= 2
