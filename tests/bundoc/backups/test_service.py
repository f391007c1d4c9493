"""Backups on real files are complete, consistent, encrypted and checked; a restore is atomic."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.backups.archive import check_files
from bunbase.bundoc.backups.engine import Progress
from bunbase.bundoc.room import BundocRoom
from bunbase.bundoc.sqlite_engine.tables import FORMAT
from bunbase.contracts.bundoc.backups import BackupBusy, BackupNotFound, BackupReason, JobState, ProjectRestoring
from bunbase.contracts.bundoc.problems import DocumentExists, DocumentNotFound, NotYet, ResyncRequired
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import KeyDestroyed
from bunbase.contracts.caller import Role
from bunbase.pkg.errors import Forbidden
from tests.bundoc.backups.backed_up import (
    DEADLINE_SECONDS,
    OTHER_OWNER,
    OTHER_SERVER,
    OWNER,
    SERVER,
    backed_up,
    bodies,
    ended,
    put,
    restored,
    whole_bundoc,
)
from tests.bundoc.whole.test_on_disk import MARKERS, read_all, readable
from tests.fakes import FakeKms
from tests.rooms import member_caller


@pytest.fixture
async def bundoc(tmp_path: Path, kms: FakeKms) -> AsyncIterator[Bundoc]:
    async with whole_bundoc(tmp_path, kms) as bundoc:
        yield bundoc


async def test_a_backup_under_load_holds_the_state_of_one_moment(bundoc: Bundoc) -> None:
    stop = asyncio.Event()

    async def write(worker: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await put(bundoc, f"w{worker}-{number:06}", b'{"of":%d,"filling":"%b"}' % (number, b"x" * 2000))

    writers = [asyncio.create_task(write(worker)) for worker in range(20)]
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await count(bundoc) < 2000:
            await asyncio.sleep(0.01)
    id = await backed_up(bundoc)
    after = await count(bundoc)
    stop.set()
    await asyncio.gather(*writers)

    backup = await bundoc.backup(OWNER, id)
    assert 2000 <= backup.seq < after
    history = await all_changes(bundoc)
    assert (await restored(bundoc, id)).state is JobState.DONE
    kept = {msgspec.json.decode(line)["document"]["_id"] for line in (await bodies(bundoc)).splitlines()}
    assert kept == set(history[: backup.seq])  # The backup holds all writes up to its seq, and no later write.
    assert backup.collections[0].documents == backup.seq


async def test_nothing_in_a_backup_is_readable(bundoc: Bundoc, tmp_path: Path) -> None:
    collection, id, value, name = MARKERS
    for number in range(200):
        await bundoc.create(SERVER, collection, f'{{"_id":"{id}{number}","{name}":"{value}"}}'.encode())

    backup = await bundoc.backup(OWNER, await backed_up(bundoc))

    written = read_all(tmp_path / "backups")
    assert written.keys() == {"data.db", "key.json", "manifest.json", "manifest.mac"}
    assert len(written["data.db"]) > 50_000
    assert readable({name: content for name, content in written.items() if name != "manifest.json"}) == []
    assert (backup.project, backup.key_version, backup.reason) == ("prj_a", 1, BackupReason.MANUAL)
    assert [(one.name, one.documents) for one in backup.collections] == [(collection, 200)]
    for path in (tmp_path / "backups").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_a_restore_brings_documents_back_and_backs_up_the_present_ones(bundoc: Bundoc) -> None:
    await put(bundoc, "d1", b'{"n":1}')
    before = await bodies(bundoc)
    id = await backed_up(bundoc)
    await put(bundoc, "d1", b'{"n":2}')
    await put(bundoc, "d2")
    later = await bodies(bundoc)

    job = await restored(bundoc, id)

    assert (job.state, await bodies(bundoc)) == (JobState.DONE, before)
    assert job.safety_backup is not None
    assert (await bundoc.backup(OWNER, job.safety_backup)).reason is BackupReason.BEFORE_RESTORE
    await restored(bundoc, job.safety_backup)
    assert await bodies(bundoc) == later


async def test_readers_of_changes_must_resync_after_a_restore(bundoc: Bundoc) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)
    await put(bundoc, "d2")
    waiting = asyncio.create_task(bundoc.changes(SERVER, 2, 10, 20.0))

    await restored(bundoc, id)

    with pytest.raises(ResyncRequired):
        await waiting
    for since in range(3):
        with pytest.raises(ResyncRequired) as resync:
            await bundoc.changes(SERVER, since, 10, 0.0)
    await put(bundoc, "d3")
    changes = await bundoc.changes(SERVER, resync.value.extra["last"], 10, 0.0)
    assert [one.id for one in changes.items] == ["d3"]
    assert changes.items[0].seq > 2


async def test_after_a_restore_exactly_the_writes_of_the_backup_keep_their_idempotency_keys(bundoc: Bundoc) -> None:
    for number in range(2):  # The second project has issued revisions of its own.
        await put(bundoc, "other", b"{}", OTHER_SERVER if number else SERVER)
    before = await bundoc.create(SERVER, "posts", b'{"_id":"d1"}', "before")
    id = await backed_up(bundoc)
    await bundoc.create(SERVER, "posts", b'{"_id":"d2"}', "after")

    await restored(bundoc, id)
    await restored(bundoc, id, into=OTHER_OWNER)

    kept = await bundoc.create(SERVER, "posts", b'{"_id":"d1"}', "before")
    again = await bundoc.create(SERVER, "posts", b'{"_id":"d2"}', "after")
    assert kept.body == before.body
    assert [one.written.replayed for one in (kept, again) if one.written] == [True, False]
    with pytest.raises(DocumentExists):
        await bundoc.create(OTHER_SERVER, "posts", b'{"_id":"d1"}', "before")
    assert before.written is not None
    assert kept.written is not None
    assert (await bundoc.get(SERVER, "posts", "d1", (), kept.written.seq)).rev == 1
    with pytest.raises(NotYet) as gone:
        await bundoc.get(SERVER, "posts", "d1", (), before.written.seq)
    assert gone.value.extra["seq"] > ""


@pytest.mark.parametrize("name", ["data.db", "key.json"])
async def test_a_backup_with_a_flipped_byte_is_reported_and_never_restored(
    bundoc: Bundoc, tmp_path: Path, name: str
) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)
    flip(tmp_path / "backups" / "prj_a" / id / name)
    now = await bodies(bundoc)

    verified = await ended(bundoc, OWNER, await bundoc.verify_backup(OWNER, id))
    job = await restored(bundoc, id)

    for one in (verified, job):
        assert one.state is JobState.FAILED
        assert one.problem is not None
        assert (one.problem["code"], one.problem["file"]) == ("backup_damaged", name)
    assert await bodies(bundoc) == now


async def test_a_damaged_page_is_found_even_with_a_matching_checksum(bundoc: Bundoc, tmp_path: Path) -> None:
    for number in range(50):
        await put(bundoc, f"d{number}", b'{"filling":"%b"}' % (b"x" * 3000))
    id = await backed_up(bundoc)
    folder = tmp_path / "backups" / "prj_a" / id
    old = (await bundoc.backup(OWNER, id)).files[0]
    flip(folder / "data.db")
    manifest = (folder / "manifest.json").read_text().replace(old.sha256, sha256(folder / "data.db"))
    (folder / "manifest.json").write_text(manifest)
    (folder / "manifest.mac").unlink()

    job = await ended(bundoc, OWNER, await bundoc.verify_backup(OWNER, id))

    assert job.problem is not None
    assert (job.problem["code"], job.problem["file"]) == ("backup_damaged", "data.db")


async def test_verification_does_not_change_a_good_backup(bundoc: Bundoc, tmp_path: Path) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)
    before = read_all(tmp_path / "backups")

    job = await ended(bundoc, OWNER, await bundoc.verify_backup(OWNER, id))

    assert (job.state, job.problem) == (JobState.DONE, None)
    assert read_all(tmp_path / "backups") == before


async def test_a_damaged_project_comes_back_from_its_backup(tmp_path: Path, kms: FakeKms) -> None:
    async with whole_bundoc(tmp_path, kms) as bundoc:
        await put(bundoc, "d1")
        id = await backed_up(bundoc)
        before = await bodies(bundoc)
    file = tmp_path / "bundoc" / "prj_a" / "data.db"
    file.write_bytes(b"x" * file.stat().st_size)

    async with whole_bundoc(tmp_path, kms) as bundoc:
        with pytest.raises(Exception, match="damaged"):
            await bodies(bundoc)
        job = await restored(bundoc, id)

        assert (job.state, job.safety_backup) == (JobState.DONE, None)
        assert await bodies(bundoc) == before
        with pytest.raises(ResyncRequired):
            await bundoc.changes(SERVER, 1, 10, 0.0)
        await put(bundoc, "d2")
    assert list(file.parent.glob("damaged-*-data.db"))


async def test_a_project_whose_key_file_is_lost_comes_back_under_a_new_key(tmp_path: Path, kms: FakeKms) -> None:
    async with whole_bundoc(tmp_path, kms) as bundoc:
        await put(bundoc, "d1")
        id = await backed_up(bundoc)
        before = await bodies(bundoc)
    (tmp_path / "bundoc" / "prj_a" / "key.json").unlink()

    async with whole_bundoc(tmp_path, kms) as bundoc:
        job = await restored(bundoc, id)
        assert (job.state, await bodies(bundoc)) == (JobState.DONE, before)

    async with whole_bundoc(tmp_path, kms) as bundoc:
        assert await bodies(bundoc) == before


async def test_a_clone_is_independent_and_has_its_own_key(tmp_path: Path, kms: FakeKms) -> None:
    async with whole_bundoc(tmp_path, kms) as bundoc:
        await put(bundoc, "d1")
        id = await backed_up(bundoc)

        assert (await restored(bundoc, id, into=OTHER_OWNER)).state is JobState.DONE
        assert await bodies(bundoc, OTHER_SERVER) == await bodies(bundoc)
        await put(bundoc, "d2", caller=OTHER_SERVER)
        with pytest.raises(DocumentNotFound):
            await bundoc.get(SERVER, "posts", "d2")
        await kms.destroy("prj_a")
        await bundoc.drop_project("prj_a")

    async with whole_bundoc(tmp_path, kms) as bundoc:
        assert (await bundoc.get(OTHER_SERVER, "posts", "d1")).rev == 1


async def test_a_backup_can_be_neither_verified_nor_restored_once_its_key_is_destroyed(
    bundoc: Bundoc, kms: FakeKms, tmp_path: Path
) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)
    await kms.destroy("prj_a")

    for refused in (bundoc.verify_backup(OWNER, id), bundoc.restore_backup(OTHER_OWNER, OWNER, id, True)):
        with pytest.raises(KeyDestroyed):
            await refused
    await bundoc.drop_project("prj_a")
    assert not (tmp_path / "backups" / "prj_a").exists()


async def test_a_project_is_unavailable_only_while_a_restore_replaces_its_file(
    bundoc: BundocRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)
    keep = bundoc.backup_service.archive.keep
    refused = []

    async def keep_slowly(*kept: Any) -> None:
        for call in (bundoc.get(SERVER, "posts", "d1"), put(bundoc, "d2")):
            with pytest.raises(ProjectRestoring) as restoring:
                await call
            refused.append(restoring.value.headers()["retry-after"])
        await keep(*kept)

    monkeypatch.setattr(bundoc.backup_service.archive, "keep", keep_slowly)
    job = await restored(bundoc, id)

    assert (job.state, refused) == (JobState.DONE, ["2", "2"])
    assert (await bundoc.get(SERVER, "posts", "d1")).rev == 1


async def test_a_half_written_backup_is_never_listed_and_is_deleted_at_the_start(tmp_path: Path, kms: FakeKms) -> None:
    half = tmp_path / "backups" / ".drafts" / "bkp_half"
    half.mkdir(parents=True)
    (half / "data.db").write_bytes(b"half")

    async with whole_bundoc(tmp_path, kms) as bundoc:
        await put(bundoc, "d1")
        id = await backed_up(bundoc)

        assert not half.exists()
        assert [one.id for one in (await bundoc.backups(OWNER, 20, None)).items] == [id]


async def test_backups_are_listed_in_pages(bundoc: Bundoc) -> None:
    await put(bundoc, "d1")
    made = [await backed_up(bundoc) for _ in range(5)]

    first = await bundoc.backups(OWNER, 3, None)
    second = await bundoc.backups(OWNER, 3, first.next)

    assert [one.id for one in (*first.items, *second.items)] == made[::-1]
    assert second.next is None


async def test_a_deleted_backup_is_not_found_and_leaves_no_files(bundoc: Bundoc, tmp_path: Path) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)

    await bundoc.delete_backup(OWNER, id)

    with pytest.raises(BackupNotFound):
        await bundoc.backup(OWNER, id)
    assert read_all(tmp_path / "backups") == {}


async def test_a_second_job_of_a_project_is_refused_while_one_is_under_way(
    bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)
    refused = threading.Event()

    def check_after_the_refusals(folder: Path, files: Any, progress: Progress) -> None:
        assert refused.wait(DEADLINE_SECONDS)
        check_files(folder, files, progress)

    monkeypatch.setattr("bunbase.bundoc.backups.work.check_files", check_after_the_refusals)

    job = await bundoc.verify_backup(OWNER, id)
    with pytest.raises(BackupBusy) as busy:
        await bundoc.create_backup(OWNER)
    with pytest.raises(BackupBusy):
        await bundoc.delete_backup(OWNER, id)
    refused.set()

    assert busy.value.headers()["retry-after"] == "10"
    assert (await ended(bundoc, OWNER, job)).state is JobState.DONE
    await bundoc.delete_backup(OWNER, id)


async def test_a_backup_of_a_newer_format_is_refused(bundoc: Bundoc, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)
    monkeypatch.setattr("bunbase.bundoc.sqlite_engine.copy_contents.FORMAT", FORMAT - 1)

    job = await restored(bundoc, id)

    assert job.problem is not None
    assert job.problem["code"] == "backup_too_new"


async def test_a_project_without_a_document_can_be_backed_up_and_restored(bundoc: Bundoc) -> None:
    id = await backed_up(bundoc)

    job = await restored(bundoc, id)

    assert (job.state, job.safety_backup, await bodies(bundoc)) == (JobState.DONE, None, b"")


async def test_roles_decide_who_may_make_restore_and_delete_backups(bundoc: Bundoc) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)
    viewer, developer = (member_caller("prj_a", role) for role in (Role.VIEWER, Role.DEVELOPER))

    for refused in (
        bundoc.backups(viewer, 20, None),
        bundoc.create_backup(viewer),
        bundoc.backup(viewer, id),
        bundoc.verify_backup(viewer, id),
        bundoc.backup_schedule(viewer),
        bundoc.restore_backup(developer, developer, id),
        bundoc.restore_backup(OWNER, developer, id),
        bundoc.delete_backup(developer, id),
        bundoc.set_backup_schedule(developer, None),
        bundoc.create_backup(SERVER),
    ):
        with pytest.raises(Forbidden):
            await refused

    assert (await bundoc.backup(developer, id)).id == id


async def test_a_project_cannot_see_the_backups_of_another_project(bundoc: Bundoc) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)
    job = await bundoc.verify_backup(OWNER, id)

    for asked in (
        bundoc.backup(OTHER_OWNER, id),
        bundoc.verify_backup(OTHER_OWNER, id),
        bundoc.delete_backup(OTHER_OWNER, id),
        bundoc.restore_backup(OTHER_OWNER, OTHER_OWNER, id),
        bundoc.backup(OWNER, f"../prj_a/{id}"),
    ):
        with pytest.raises(BackupNotFound):
            await asked
    with pytest.raises(Exception, match="no such job"):
        await bundoc.backup_job(OTHER_OWNER, job.id)
    await ended(bundoc, OWNER, job)


async def count(bundoc: Bundoc) -> int:
    found = {one.name for one in await bundoc.collections(SERVER)}
    return (await bundoc.collection(SERVER, "posts")).documents or 0 if "posts" in found else 0


async def all_changes(bundoc: Bundoc) -> list[str]:
    ids: list[str] = []
    while items := (await bundoc.changes(SERVER, len(ids), 500, 0.0)).items:
        ids += [one.id for one in items]
    return ids


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("head_start", [0.0, 0.02, 0.1])
async def test_a_restore_during_a_key_rotation_leaves_a_file_that_its_key_opens(
    tmp_path: Path, kms: FakeKms, head_start: float
) -> None:
    async with whole_bundoc(tmp_path, kms) as bundoc:
        for number in range(300):
            await put(bundoc, f"d{number:03}", b'{"filling":"%b"}' % (b"x" * 2000))
        id = await backed_up(bundoc)

        await bundoc.rotate_data_key(OWNER)
        await asyncio.sleep(head_start)  # The rotation happens at different steps of the restore.
        done = await ended(bundoc, OWNER, await bundoc.restore_backup(OWNER, OWNER, id))
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await bundoc.data_key(OWNER)).rotating:
                await asyncio.sleep(0.01)

        assert done.state is JobState.DONE or (done.problem or {})["code"] == "data_busy"
        assert await count(bundoc) == 300

    async with whole_bundoc(tmp_path, kms) as bundoc:
        assert await count(bundoc) == 300
