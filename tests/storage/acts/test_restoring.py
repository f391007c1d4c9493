"""Files are copied for a backup and restored, also into another project, and no crash leaves half a restore."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.bundoc.backups import ProjectRestoring
from bunbase.contracts.caller import Caller
from bunbase.contracts.storage import (
    BucketNotFound,
    Listing,
    NewBucket,
    NewLink,
    NewObject,
    Place,
    Reading,
    StorageUnreadable,
    UploadNotFound,
)
from bunbase.contracts.storage_copies import (
    COPIED_BYTES,
    CopiedBytes,
    CopiedList,
    CopyDamaged,
    NamedBlobs,
    NewRestore,
    RestoreEnded,
)
from bunbase.pkg.clock import ManualClock, SystemClock
from bunbase.storage.blobs.format import CHUNK_BYTES
from bunbase.storage.service import StorageService
from tests.fakes import FakeKms
from tests.rooms import secret_caller
from tests.storage.room import SECRET, opened_storage, put, read

OTHER = secret_caller("prj_b")
SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, (1 << 20) + 17)


class Copy(msgspec.Struct):
    """A copy in memory. `list`: the sealed list of objects. `blobs`: the sealed blobs."""

    head: CopiedList
    list: bytes
    blobs: dict[str, bytes]


async def copied(storage: StorageService, project: str = "prj_a") -> Copy:
    parts = [part async for part in storage.copied_files(project)]
    assert isinstance(parts[0], CopiedList)
    listed = b"".join([part.data for part in parts if isinstance(part, CopiedBytes)])
    named = [blob for part in parts if isinstance(part, NamedBlobs) for blob in part.blobs]
    blobs = {blob.id: b"".join([part.data async for part in storage.copied_blob(project, blob.id)]) for blob in named}
    assert {blob.id: blob.bytes for blob in named} == {id: len(sealed) for id, sealed in blobs.items()}
    assert (parts[0].blobs, parts[0].blob_bytes) == (len(blobs), sum(map(len, blobs.values())))
    await storage.release_files(project)
    return Copy(parts[0], listed, blobs)


async def filled(storage: StorageService, copy: Copy, project: str, source: str = "prj_a") -> set[str]:
    """Begin a restore, up to the moment before `prepare_restore`. Return the blobs that were sent."""
    await storage.begin_restore(project, NewRestore("rst_1", source, copy.head.wrapped))
    for at in range(0, len(copy.list), COPIED_BYTES):
        await storage.feed_list(project, "rst_1", copy.list[at : at + COPIED_BYTES])
    found = await storage.restored_list(project, "rst_1")
    assert (found.objects, found.blobs) == (copy.head.objects, copy.head.blobs)
    sent = set()
    async for part in storage.lacking_blobs(project, "rst_1"):
        for blob in part.blobs:
            await send(storage, copy, project, blob.id)
            sent.add(blob.id)
    return sent


async def send(storage: StorageService, copy: Copy, project: str, blob: str) -> None:
    sealed = copy.blobs[blob]
    for at in range(0, len(sealed), COPIED_BYTES):
        part = sealed[at : at + COPIED_BYTES]
        await storage.feed_blob(project, "rst_1", blob, part, at + len(part) == len(sealed))


async def restored(storage: StorageService, copy: Copy, project: str, source: str = "prj_a") -> set[str]:
    sent = await filled(storage, copy, project, source)
    await storage.prepare_restore(project, "rst_1")
    await storage.commit_restore(project, "rst_1")
    return sent


async def contents(storage: StorageService, caller: Caller = SECRET) -> dict[str, bytes]:
    found = {}
    for one in (await storage.objects(caller, "files", Listing(limit=500))).items:
        parts = [part async for part in storage.read(caller, Reading(Place("files", one.key)))]
        found[one.key] = b"".join([getattr(part, "data", b"") for part in parts])
    return found


async def with_objects(storage: StorageService) -> dict[str, bytes]:
    await storage.create_bucket(SECRET, NewBucket(name="files"))
    wanted = {f"of {size}": os.urandom(size) for size in SIZES}
    for key, content in wanted.items():
        await put(storage, key, content)
    return wanted


async def test_a_restore_brings_all_objects_back_and_sends_only_lacking_blobs(tmp_path: Path) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        wanted = await with_objects(storage)
        copy = await copied(storage)
        await storage.delete_object(SECRET, Place("files", "of 1"))
        await put(storage, "of 0", b"changed")
        await put(storage, "later", b"later")
        lost = next(iter(copy.blobs))
        await storage.holdings.blobs.delete("prj_a", [lost])

        sent = await restored(storage, copy, "prj_a")

        assert await contents(storage) == wanted
        assert sent == {lost}
        assert not (tmp_path / "storage" / ".drafts" / "rst_1").exists()


async def test_a_damaged_blob_is_replaced(tmp_path: Path) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        wanted = await with_objects(storage)
        copy = await copied(storage)
        blob, sealed = max(copy.blobs.items(), key=lambda one: len(one[1]))
        path = tmp_path / "storage" / "blobs" / "prj_a" / blob[:2] / blob
        path.write_bytes(sealed[:-20] + bytes([sealed[-20] ^ 1]) + sealed[-19:])

        assert await restored(storage, copy, "prj_a") == {blob}

        assert await contents(storage) == wanted


async def test_another_project_gets_the_files_under_its_own_key(tmp_path: Path) -> None:
    kms = FakeKms()
    async with opened_storage(tmp_path, kms) as storage:
        wanted = await with_objects(storage)
        copy = await copied(storage)
        await storage.create_bucket(OTHER, NewBucket(name="mine"))

        assert await restored(storage, copy, "prj_b") == copy.blobs.keys()

        assert await contents(storage, OTHER) == wanted
        async with storage.holdings.files.using("prj_a") as one, storage.holdings.files.using("prj_b") as other:
            assert one is not None
            assert other is not None
            assert not set(one.roots.values()) & set(other.roots.values())
        assert await restored(storage, copy, "prj_b") == set()  # a refresh sends nothing twice
        await kms.destroy("prj_a")
        await storage.drop_project("prj_a")
        assert await contents(storage, OTHER) == wanted


async def test_a_changed_copy_is_refused(tmp_path: Path) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        wanted = await with_objects(storage)
        copy = await copied(storage)
        with pytest.raises(CopyDamaged):
            await storage.begin_restore("prj_b", NewRestore("rst_1", "prj_b", copy.head.wrapped))
        for damaged in (copy.list[:-100], copy.list[:5000] + b"?" + copy.list[5001:], b"nothing"):
            with pytest.raises(CopyDamaged):
                await filled(storage, msgspec.structs.replace(copy, list=damaged), "prj_a")
        await storage.abort_restore("prj_a", "rst_1")
        for blob, sealed in copy.blobs.items():
            for changed in (sealed[:-1], sealed + b"?", sealed[:100] + b"?" + sealed[101:], sealed[:90]):
                one = msgspec.structs.replace(copy, blobs={**copy.blobs, blob: changed})
                if changed != sealed:
                    with pytest.raises(CopyDamaged):
                        await filled(storage, one, "prj_b")

        assert await contents(storage) == wanted


async def test_a_prepared_restore_closes_the_project_also_after_a_restart(tmp_path: Path) -> None:
    kms = FakeKms()
    async with opened_storage(tmp_path, kms) as storage:
        wanted = await with_objects(storage)
        copy = await copied(storage)
        await put(storage, "later", b"later")
        upload = await storage.begin_upload(SECRET, Place("files", "running"), NewObject())
        await filled(storage, copy, "prj_a")
        await storage.prepare_restore("prj_a", "rst_1")
        with pytest.raises(ProjectRestoring):
            await read(storage, "later")
        with pytest.raises(UploadNotFound):
            await storage.feed_upload(SECRET, upload, b"x")
        assert (await copied(storage)).head.objects == len(wanted) + 1  # the backup before the restore has all objects

    async with opened_storage(tmp_path, kms) as storage:
        (prepared,) = await storage.prepared_restores()
        with pytest.raises(ProjectRestoring):
            await read(storage, "later")
        await storage.sweeping.sweep_everything()
        await storage.commit_restore(prepared.project, prepared.restore)
        await storage.commit_restore(prepared.project, prepared.restore)
        await storage.abort_restore(prepared.project, prepared.restore)
        assert await contents(storage) == wanted
        assert await storage.prepared_restores() == ()


async def test_an_aborted_restore_changes_nothing(tmp_path: Path) -> None:
    kms = FakeKms()
    async with opened_storage(tmp_path, kms) as storage:
        wanted = await with_objects(storage)
        copy = await copied(storage)
        await put(storage, "later", b"later")
        wanted["later"] = b"later"
        await filled(storage, copy, "prj_a")
        await storage.abort_restore("prj_a", "rst_1")
        with pytest.raises(RestoreEnded):
            await storage.prepare_restore("prj_a", "rst_1")
        await filled(storage, copy, "prj_a")
        await storage.prepare_restore("prj_a", "rst_1")

    async with opened_storage(tmp_path, kms) as storage:
        await storage.abort_restore("prj_a", "rst_1")
        await storage.abort_restore("prj_a", "rst_1")
        assert await contents(storage) == wanted


async def test_no_sweep_deletes_a_blob_that_a_copy_or_a_restore_needs(tmp_path: Path) -> None:
    clock = ManualClock(SystemClock().now())
    async with opened_storage(tmp_path, FakeKms(), clock) as storage:
        wanted = await with_objects(storage)
        parts = [part async for part in storage.copied_files("prj_a")]
        for key in wanted:
            await storage.delete_object(SECRET, Place("files", key))
        clock.advance(30 * 86_400)
        await storage.sweeping.sweep_everything()
        named = [blob.id for part in parts if isinstance(part, NamedBlobs) for blob in part.blobs]
        for blob in named:
            assert [part async for part in storage.copied_blob("prj_a", blob)]
        copy = await copied(storage)
        assert copy.head.blobs == 0
        await put(storage, "kept", b"kept")
        copy = await copied(storage)
        await storage.delete_object(SECRET, Place("files", "kept"))
        await filled(storage, copy, "prj_a")
        clock.advance(30 * 86_400)
        await storage.sweeping.sweep_everything()
        await storage.prepare_restore("prj_a", "rst_1")
        await storage.commit_restore("prj_a", "rst_1")
        await storage.sweeping.sweep_everything()
        assert await contents(storage) == {"kept": b"kept"}
        on_disk = {path.name for path in (tmp_path / "storage" / "blobs").rglob("*") if path.is_file()}
        assert on_disk == set(copy.blobs)


async def test_a_lost_list_is_no_new_project_and_a_restore_brings_it_back(tmp_path: Path) -> None:
    kms, clock = FakeKms(), ManualClock(SystemClock().now() + timedelta(days=30))
    async with opened_storage(tmp_path, kms, clock) as storage:
        wanted = await with_objects(storage)
        copy = await copied(storage)

    for lost in (("data.db", "key.json"), ("data.db",), ("key.json",)):
        for name in lost:
            (tmp_path / "storage" / "prj_a" / name).unlink(missing_ok=True)
        async with opened_storage(tmp_path, kms, clock) as storage:
            with pytest.raises(StorageUnreadable):
                await storage.create_bucket(SECRET, NewBucket(name="again"))
            await storage.sweeping.sweep_everything()
            assert await restored(storage, copy, "prj_a") == set()
            assert await contents(storage) == wanted


async def test_a_copy_without_buckets_empties_the_project(tmp_path: Path) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        assert [part async for part in storage.copied_files("prj_a")] == []
        await with_objects(storage)
        await storage.begin_restore("prj_a", NewRestore("rst_1", "prj_a", ""))
        assert (await storage.restored_list("prj_a", "rst_1")).objects == 0
        assert [part async for part in storage.lacking_blobs("prj_a", "rst_1")] == []
        await storage.prepare_restore("prj_a", "rst_1")
        await storage.commit_restore("prj_a", "rst_1")
        with pytest.raises(BucketNotFound):
            await storage.bucket(SECRET, "files")


async def test_a_link_is_never_valid_for_a_bucket_that_is_created_after_a_restore(tmp_path: Path) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        await with_objects(storage)
        copy = await copied(storage)
        await storage.create_bucket(SECRET, NewBucket(name="later"))
        link = await storage.sign(SECRET, NewLink("later", "a", "PUT"))
        await restored(storage, copy, "prj_a")
        await storage.create_bucket(SECRET, NewBucket(name="later"))
        with pytest.raises(Exception, match="link"):
            await storage.begin_upload(SECRET, Place("later", "a", link.token), NewObject())
