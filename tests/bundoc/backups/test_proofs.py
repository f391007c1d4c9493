"""An attacker who can write to the disk can destroy a backup, but cannot replace it by another backup unnoticed."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import AsyncMock

import msgspec
import pytest

from bunbase.bundoc.backups.schedule import HOUR_SECONDS, outdated
from bunbase.bundoc.backups.service import BackupsService
from bunbase.bundoc.settings import BundocSettings
from bunbase.contracts.bundoc.backups import (
    Authenticity,
    BackupAltered,
    BackupDamaged,
    BackupJob,
    BackupUnauthenticated,
    JobState,
)
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import KeyDestroyed
from bunbase.pkg.clock import ManualClock, SystemClock
from tests.bundoc.backups.backed_up import (
    OTHER_OWNER,
    OTHER_SERVER,
    OWNER,
    backed_up,
    bodies,
    ended,
    put,
    restored,
    whole_bundoc,
)
from tests.bundoc.backups.test_service import sha256
from tests.fakes import FakeKms

PAGE = 4096


@pytest.fixture
async def bundoc(tmp_path: Path, kms: FakeKms) -> AsyncIterator[Bundoc]:
    async with whole_bundoc(tmp_path, kms) as bundoc:
        yield bundoc


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "prj_a"


async def two(bundoc: Bundoc) -> tuple[str, str]:
    """Make an older and a newer backup of one project under one data key.

    The database pages of the two backups differ.
    """
    for content in (b"old", b"new"):
        for number in range(40):
            await put(bundoc, f"d{number}", b'{"is":"%b","filling":"%b"}' % (content, b"x" * 2000))
    older = await backed_up(bundoc)
    for number in range(40):
        await put(bundoc, f"d{number}", b'{"is":"NEW","filling":"%b"}' % (b"y" * 2000))
    return older, await backed_up(bundoc)


async def authenticity(bundoc: Bundoc, id: str) -> str:
    """Return the authenticity in the list. Assert that the backup's own URL shows the same."""
    listed = {one.id: one.authenticity for one in (await bundoc.backups(OWNER, 100, None)).items}
    assert (await bundoc.backup(OWNER, id)).authenticity is listed[id]
    return listed[id].value


async def verified(bundoc: Bundoc, id: str) -> str:
    """Return "done" or the code of the job's problem."""
    return outcome(await ended(bundoc, OWNER, await bundoc.verify_backup(OWNER, id)))


def outcome(job: BackupJob) -> str:
    return "done" if job.problem is None else str(job.problem["code"])


def edit(folder: Path, old: str, new: str) -> None:
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))


async def test_a_backup_is_shown_as_proved_everywhere(bundoc: Bundoc, kms: FakeKms) -> None:
    """The list and the verification report the proof, even after the project's keys were rotated."""
    older, newer = await two(bundoc)
    await kms.rotate("prj_a")

    for id in (older, newer, await backed_up(bundoc)):
        assert await authenticity(bundoc, id) == "proved"
        assert await verified(bundoc, id) == "done"
    assert (await restored(bundoc, older)).state is JobState.DONE


def redated(shelf: Path, older: str, _newer: str) -> str:
    made = msgspec.json.decode((shelf / older / "manifest.json").read_bytes())["created_at"]
    edit(shelf / older, made, "2126" + made[4:])
    return older


def renamed(shelf: Path, older: str, _newer: str) -> str:
    new = f"bkp_{'7' * 26}"
    shutil.copytree(shelf / older, shelf / new)
    return new


def renamed_all_through(shelf: Path, older: str, newer: str) -> str:
    new = renamed(shelf, older, newer)
    edit(shelf / new, older, new)
    return new


def swapped(shelf: Path, older: str, newer: str) -> str:
    """Put the older backup under the id and the date of the newer backup."""
    for name in ("data.db", "key.json"):
        shutil.copy(shelf / older / name, shelf / newer / name)
    return resummed(shelf, newer)


def mixed(shelf: Path, older: str, newer: str) -> str:
    """Mix pages of the older backup into the newer backup. Each page is intact and encrypted with the right key."""
    old, new = bytearray((shelf / older / "data.db").read_bytes()), bytearray((shelf / newer / "data.db").read_bytes())
    new[-2 * PAGE : -PAGE] = old[-2 * PAGE : -PAGE]
    (shelf / newer / "data.db").write_bytes(new)
    return resummed(shelf, newer)


def resummed(shelf: Path, id: str) -> str:
    for file in msgspec.json.decode((shelf / id / "manifest.json").read_bytes())["files"]:
        edit(shelf / id, file["sha256"], sha256(shelf / id / file["name"]))
    return id


def moved(shelf: Path, older: str, newer: str) -> str:
    """Put a backup of another project here, with the proof (MAC) of that project."""
    (foreign,) = (shelf.parent / "prj_b").iterdir()
    shutil.rmtree(shelf / newer)
    shutil.copytree(foreign, shelf / newer)
    return newer


def recoded(shelf: Path, older: str, newer: str) -> str:
    shutil.copy(shelf / older / "manifest.mac", shelf / newer / "manifest.mac")
    return newer


def garbled(shelf: Path, older: str, _newer: str) -> str:
    (shelf / older / "manifest.mac").write_bytes(b"\xff\x00" * 4000)
    return older


def emptied(shelf: Path, older: str, _newer: str) -> str:
    (shelf / older / "manifest.mac").write_bytes(b"")
    return older


@pytest.mark.parametrize(
    "attack", [redated, renamed, renamed_all_through, swapped, mixed, moved, recoded, garbled, emptied]
)
async def test_an_attacker_on_the_disk_cannot_pass_one_backup_off_as_another(
    bundoc: Bundoc, shelf: Path, attack: Callable[[Path, str, str], str]
) -> None:
    """The attacker renames, mixes, moves or edits backups."""
    await put(bundoc, "d1", caller=OTHER_SERVER)
    await backed_up(bundoc, OTHER_OWNER)
    older, newer = await two(bundoc)
    now = await bodies(bundoc)

    id = attack(shelf, older, newer)

    assert await authenticity(bundoc, id) == "altered"
    assert await verified(bundoc, id) == "backup_altered"
    for unauthenticated in (False, True):
        for into in (OWNER, OTHER_OWNER):
            with pytest.raises(BackupAltered):
                await bundoc.restore_backup(into, OWNER, id, unauthenticated)
    assert await bodies(bundoc) == now


@pytest.mark.parametrize("attack", [swapped, mixed])
async def test_old_checksums_in_a_manifest_reveal_changed_files(
    bundoc: Bundoc, shelf: Path, attack: Callable[[Path, str, str], str]
) -> None:
    """The proved manifest holds the SHA-256 of the whole file, so mixed pages are found."""
    older, newer = await two(bundoc)
    manifest = (shelf / newer / "manifest.json").read_bytes()

    attack(shelf, older, newer)
    (shelf / newer / "manifest.json").write_bytes(manifest)

    assert await authenticity(bundoc, newer) == "proved"
    assert await verified(bundoc, newer) == "backup_damaged"
    assert outcome(await restored(bundoc, newer)) == "backup_damaged"


async def test_a_flipped_bit_in_a_manifest_or_its_proof_is_always_detected(bundoc: Bundoc, shelf: Path) -> None:
    """Every flipped bit is refused, as altered or as damaged."""
    await put(bundoc, "d1")
    id = await backed_up(bundoc)

    for name in ("manifest.json", "manifest.mac"):
        file = shelf / id / name
        good = file.read_bytes()
        for place in range(0, len(good.rstrip()), 7):
            file.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 7]) + good[place + 1 :])
            with suppress(BackupDamaged):  # The file is no longer a manifest.
                assert (await bundoc.backup(OWNER, id)).authenticity is Authenticity.ALTERED
        file.write_bytes(good)
    assert await authenticity(bundoc, id) == "proved"


async def test_a_backup_of_an_older_bunbase_is_restored_on_explicit_request(bundoc: Bundoc, shelf: Path) -> None:
    """BunBase keeps and marks a backup without a proof, and restores it only on an explicit request."""
    await put(bundoc, "d1", b'{"n":1}')
    before = await bodies(bundoc)
    id = await backed_up(bundoc)
    (shelf / id / "manifest.mac").unlink()
    await put(bundoc, "d1", b'{"n":2}')

    assert await authenticity(bundoc, id) == "unauthenticated"
    assert await verified(bundoc, id) == "backup_unauthenticated"
    with pytest.raises(BackupUnauthenticated, match="--unauthenticated"):
        await bundoc.restore_backup(OWNER, OWNER, id)
    assert outcome(await restored(bundoc, id, unauthenticated=True)) == "done"
    assert await bodies(bundoc) == before
    assert outcome(await restored(bundoc, id, OTHER_OWNER, unauthenticated=True)) == "done"


async def test_checksums_of_a_backup_without_a_proof_are_checked_too(bundoc: Bundoc, shelf: Path) -> None:
    older, newer = await two(bundoc)
    shutil.copy(shelf / older / "data.db", shelf / newer / "data.db")
    (shelf / newer / "manifest.mac").unlink()

    assert await verified(bundoc, newer) == "backup_damaged"
    assert outcome(await restored(bundoc, newer, unauthenticated=True)) == "backup_damaged"


async def test_a_backup_is_neither_listed_nor_restored_once_its_key_is_destroyed(bundoc: Bundoc, kms: FakeKms) -> None:
    await put(bundoc, "d1")
    id = await backed_up(bundoc)

    await kms.destroy("prj_a")

    for asked in (
        bundoc.backup(OWNER, id),
        bundoc.backups(OWNER, 10, None),
        bundoc.restore_backup(OTHER_OWNER, OWNER, id, True),
    ):
        with pytest.raises(KeyDestroyed):
            await asked


async def test_added_folders_do_not_hide_real_backups_from_the_list(bundoc: Bundoc, shelf: Path) -> None:
    """The test makes more folders than BunKMS checks in one call."""
    await put(bundoc, "d1")
    id = await backed_up(bundoc)
    for number in range(1001):
        shutil.copytree(shelf / id, shelf / f"bkp_{number:026}", copy_function=os.link)

    found = (await bundoc.backups(OWNER, 100, None)).items

    assert [one.authenticity for one in found if one.id == id] == [Authenticity.PROVED]
    assert {one.authenticity for one in found if one.id != id} == {Authenticity.ALTERED}


async def test_a_page_of_the_backup_list_needs_one_call_to_bunkms(bundoc: Bundoc, kms: FakeKms) -> None:
    await put(bundoc, "d1")
    for _ in range(5):
        await backed_up(bundoc)
    kms.calls.clear()

    assert len((await bundoc.backups(OWNER, 100, None)).items) == 5

    assert kms.calls == ["check_macs"]


@pytest.mark.parametrize("proof", ["kept", "taken away"])
async def test_a_forged_date_does_not_stop_scheduled_backups(
    tmp_path: Path, kms: FakeKms, proof: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged manifest may have a date in the future, or claim to contain every later write."""
    clock = ManualClock(SystemClock().now())
    settings = BundocSettings(backup_every_hours=24, backups_kept=7)
    back_up_due = BackupsService.back_up_due
    monkeypatch.setattr(BackupsService, "back_up_due", AsyncMock())  # The room's own job makes no backup here.
    async with whole_bundoc(tmp_path, kms, settings, clock) as bundoc:
        await put(bundoc, "d1")
        clock.advance(24 * HOUR_SECONDS)
        await back_up_due(bundoc.backup_service)
        (folder,) = (tmp_path / "backups" / "prj_a").iterdir()
        made = msgspec.json.decode((folder / "manifest.json").read_bytes())
        edit(folder, made["created_at"], "2126" + made["created_at"][4:])
        edit(folder, str(made["source_changed_at"]), str(made["source_changed_at"] * 2))
        if proof == "taken away":
            (folder / "manifest.mac").unlink()
    async with whole_bundoc(tmp_path, kms, settings, clock) as bundoc:
        await put(bundoc, "d2")
        clock.advance(24 * HOUR_SECONDS)
        await back_up_due(bundoc.backup_service)

        found = (await bundoc.backups(OWNER, 100, None)).items
        assert [one.authenticity is Authenticity.PROVED for one in found] == [True, False]


@pytest.mark.parametrize("damage", ["not json", "{}", "directory"])
async def test_an_unreadable_backup_stays_in_the_list(bundoc: Bundoc, tmp_path: Path, shelf: Path, damage: str) -> None:
    older, newer = await two(bundoc)
    made = (await bundoc.backup(OWNER, newer)).created_at
    manifest = shelf / newer / "manifest.json"
    manifest.unlink()
    if damage == "directory":
        manifest.mkdir()
    else:
        manifest.write_text(damage)

    listed = (await bundoc.backups(OWNER, 100, None)).items

    assert [(one.id, one.authenticity.value) for one in listed] == [(newer, "unreadable"), (older, "proved")]
    assert (listed[0].files, listed[0].collections, listed[0].reason.value) == ((), (), "unknown")
    assert listed[0].created_at[:13] == made[:13]
    assert listed[0] not in outdated(listed, kept=0)


async def test_an_unreadable_backup_cannot_be_used_but_can_be_deleted(bundoc: Bundoc, shelf: Path) -> None:
    _, id = await two(bundoc)
    (shelf / id / "manifest.json").write_text("damaged")

    for use in (bundoc.backup(OWNER, id), bundoc.verify_backup(OWNER, id), bundoc.restore_backup(OWNER, OWNER, id)):
        with pytest.raises(BackupDamaged):
            await use
    await bundoc.delete_backup(OWNER, id)

    assert id not in [one.id for one in (await bundoc.backups(OWNER, 100, None)).items]
    assert not (shelf / id).exists()


@pytest.mark.parametrize("id", ["bkp_" + "z" * 26, "bkp_" + "o" * 26, "bkp_" + "0" * 26])
async def test_a_folder_with_an_invented_name_does_not_hide_real_backups(bundoc: Bundoc, shelf: Path, id: str) -> None:
    await put(bundoc, "d1")
    good = await backed_up(bundoc)
    (shelf / id).mkdir()
    (shelf / id / "manifest.json").write_text("damaged")

    assert {one.id for one in (await bundoc.backups(OWNER, 100, None)).items} == {good, id}
