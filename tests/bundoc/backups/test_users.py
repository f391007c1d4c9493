"""A backup contains a project's users on request; only BunBase can read or change them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from bunbase.bundoc.backups.engine import Progress
from bunbase.bundoc.backups.users import NAME, BackedUpUsers
from bunbase.bundoc.module import open_bundoc
from bunbase.bundoc.room import BundocRoom
from bunbase.contracts.bundoc.backups import BackupDamaged, BackupSchedule, BackupWithoutUsers, JobState
from bunbase.contracts.bunkms import KeyDestroyed, Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.roles import Role
from bunbase.contracts.storage import Storage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.transfers import ImportedUsers
from bunbase.pkg.clock import ManualClock, SystemClock
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.modules import Rooms
from bunbase.pkg.ndjson import ExportPart, ImportLine, RefusedLine
from tests.bundoc.backups.backed_up import MANUAL_ONLY, OTHER_OWNER, OWNER, NoFiles, backed_up, ended, put
from tests.fakes import FakeKms
from tests.rooms import member_caller, site

BACKUP = "bkp_1"
DAY_SECONDS = 86_400


class FakeUsers:
    """The users of every project: 1,201 lines. `restored`: the lines that were put back, by project."""

    def __init__(self) -> None:
        self.lines = [b'{"id":"u%04d","password_hash":"secret"}' % number for number in range(1201)]
        self.restored: dict[str, list[bytes]] = {}

    async def copied_users(self, project: str, after: str) -> AsyncIterator[ExportPart]:
        for start in range(0, len(self.lines), 600):
            yield ExportPart(b"".join(line + b"\n" for line in self.lines[start : start + 600]))

    async def restore_users(self, caller: Caller, lines: tuple[ImportLine, ...]) -> ImportedUsers:
        assert len(lines) <= 500
        self.restored.setdefault(caller.project, []).extend(line.text for line in lines)
        last = lines[-1].number
        return ImportedUsers(len(lines) - 1, 0, 0, 1, last, (RefusedLine(last, "email_taken", "Taken."),))


@pytest.fixture
def users() -> FakeUsers:
    return FakeUsers()


@pytest.fixture
def parts(kms: FakeKms, users: FakeUsers) -> BackedUpUsers:
    return BackedUpUsers(kms, cast("TenantAuth", users))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SystemClock().now())


@pytest.fixture
async def bundoc(tmp_path: Path, kms: FakeKms, users: FakeUsers, clock: ManualClock) -> AsyncIterator[BundocRoom]:
    rooms = Rooms({Kms: kms, TenantAuth: users, Storage: NoFiles()})
    async with open_bundoc(MANUAL_ONLY, rooms, site(tmp_path, clock=clock)) as bundoc:
        yield bundoc


async def test_users_come_back_in_batches_and_refused_ones_are_named(parts: BackedUpUsers, tmp_path: Path) -> None:
    users = cast("FakeUsers", parts.users)
    count = await parts.write("prj_a", BACKUP, tmp_path, Progress())

    await parts.verify("prj_a", BACKUP, tmp_path, Progress(), count)
    done = await parts.restore(OTHER_OWNER, "prj_a", BACKUP, tmp_path, Progress())

    assert (count, users.restored) == (1201, {"prj_b": users.lines})
    assert (done.imported, done.failed, done.last_line) == (1196, 5, 1201)
    assert [one.line for one in done.errors] == [500, 600, 1100, 1200, 1201]
    assert b"secret" not in (tmp_path / NAME).read_bytes()
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


async def test_a_change_of_any_part_of_the_file_is_noticed(parts: BackedUpUsers, tmp_path: Path) -> None:
    count = await parts.write("prj_a", BACKUP, tmp_path, Progress())
    file = tmp_path / NAME
    whole = file.read_bytes()
    head = whole.index(b"\n") + 1
    frame = head + 4 + int.from_bytes(whole[head : head + 4], "big")
    altered = [
        *(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(head, len(whole), 2999)),
        whole[:frame],  # the frames after the first frame are missing
        whole[:head] + whole[frame:],  # the first frame is missing
        whole + b"more",
        b"{}\n" + whole[head:],
        b"",
    ]

    for content in altered:
        file.write_bytes(content)
        with pytest.raises(BackupDamaged):
            await parts.verify("prj_a", BACKUP, tmp_path, Progress(), count)

    file.write_bytes(whole)
    for project, backup in (("prj_b", BACKUP), ("prj_a", "bkp_2")):
        with pytest.raises(BackupDamaged):
            await parts.verify(project, backup, tmp_path, Progress(), count)
    with pytest.raises(BackupDamaged):
        await parts.verify("prj_a", BACKUP, tmp_path, Progress(), count + 1)


async def test_nobody_reads_the_users_of_a_deleted_project(parts: BackedUpUsers, kms: FakeKms, tmp_path: Path) -> None:
    count = await parts.write("prj_a", BACKUP, tmp_path, Progress())

    await kms.destroy("prj_a")

    with pytest.raises(KeyDestroyed):
        await parts.verify("prj_a", BACKUP, tmp_path, Progress(), count)


async def test_users_are_restored_when_asked_by_an_admin_of_both_projects(bundoc: BundocRoom, users: FakeUsers) -> None:
    await put(bundoc, "d1")
    plain = await backed_up(bundoc)
    made = await ended(bundoc, OWNER, await bundoc.create_backup(member_caller("prj_a", Role.DEVELOPER), users=True))

    without = await ended(bundoc, OWNER, await bundoc.restore_backup(OWNER, OWNER, made.backup))
    restored_before = dict(users.restored)
    with_users = await ended(
        bundoc, OTHER_OWNER, await bundoc.restore_backup(OTHER_OWNER, OWNER, made.backup, users=True)
    )

    assert (without.state, without.users, restored_before) == (JobState.DONE, None, {})
    assert with_users.state is JobState.DONE
    assert with_users.users is not None
    assert users.restored == {"prj_b": users.lines}
    assert (await bundoc.backup(OWNER, made.backup)).users == 1201
    with pytest.raises(BackupWithoutUsers):
        await bundoc.restore_backup(OWNER, OWNER, plain, users=True)
    for into, source in (
        (member_caller("prj_b", Role.DEVELOPER), OWNER),
        (OTHER_OWNER, member_caller("prj_a", Role.DEVELOPER)),
    ):
        with pytest.raises(Forbidden):
            await bundoc.restore_backup(into, source, made.backup, users=True)


async def test_the_schedule_says_whether_backups_have_users_and_then_makes_one_without_a_write(
    bundoc: BundocRoom, clock: ManualClock
) -> None:
    await put(bundoc, "d1")
    state = await bundoc.set_backup_schedule(OWNER, BackupSchedule(24, 5, users=True))

    for _ in range(2):
        clock.advance(DAY_SECONDS)
        await bundoc.backup_service.back_up_due()

    found = (await bundoc.backups(OWNER, 20, None)).items
    assert (state.users, [one.users for one in found]) == (True, [1201, 1201])
