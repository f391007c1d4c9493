"""Scheduled backups with a manual clock: when a backup is made, and which backups are kept."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.bundoc.backups.schedule import HOUR_SECONDS, next_period
from bunbase.bundoc.room import BundocRoom
from bunbase.bundoc.settings import BundocSettings
from bunbase.contracts.bundoc.backups import BackupReason, BackupSchedule
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import ManualClock, SystemClock
from tests.bundoc.backups.backed_up import OTHER_OWNER, OTHER_SERVER, OWNER, backed_up, put, whole_bundoc
from tests.fakes import FakeKms

DAY = 24 * HOUR_SECONDS
DAILY = BundocSettings(backup_every_hours=24, backups_kept=2)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SystemClock().now())  # The files on disk have the times of the system clock.


async def reasons(bundoc: Bundoc, caller: Caller = OWNER) -> list[str]:
    return [one.reason.value for one in (await bundoc.backups(caller, 500, None)).items]


async def test_a_project_is_backed_up_once_in_each_period(tmp_path: Path, kms: FakeKms, clock: ManualClock) -> None:
    async with room(tmp_path, kms, clock) as bundoc:
        await put(bundoc, "d1")
        await bundoc.backup_service.back_up_due()
        assert await reasons(bundoc) == []  # The first period began with the first write.

        for day in range(4):
            await put(bundoc, f"day{day}")
            clock.advance(DAY)
            await bundoc.backup_service.back_up_due()
            await bundoc.backup_service.back_up_due()

            assert await reasons(bundoc) == ["scheduled"] * min(day + 1, 2)


async def test_a_project_without_new_writes_is_not_backed_up_again(
    tmp_path: Path, kms: FakeKms, clock: ManualClock
) -> None:
    async with room(tmp_path, kms, clock) as bundoc:
        await put(bundoc, "d1")
        clock.advance(DAY)
        await bundoc.backup_service.back_up_due()

        clock.advance(10 * DAY)
        await bundoc.backup_service.back_up_due()

        assert await reasons(bundoc) == ["scheduled"]


async def test_after_a_long_downtime_a_missed_backup_is_made_once(
    tmp_path: Path, kms: FakeKms, clock: ManualClock
) -> None:
    async with room(tmp_path, kms, clock) as bundoc:
        await put(bundoc, "d1")
        clock.advance(DAY)
        await bundoc.backup_service.back_up_due()
        await put(bundoc, "d2")
    clock.advance(5 * DAY)

    async with room(tmp_path, kms, clock) as bundoc:
        for _ in range(3):
            await bundoc.backup_service.back_up_due()

        assert await reasons(bundoc) == ["scheduled", "scheduled"]


async def test_retention_keeps_backups_made_by_hand(tmp_path: Path, kms: FakeKms, clock: ManualClock) -> None:
    async with room(tmp_path, kms, clock) as bundoc:
        for day in range(4):
            await put(bundoc, f"day{day}")
            await backed_up(bundoc)
            await put(bundoc, f"later{day}")
            clock.advance(DAY)
            await bundoc.backup_service.back_up_due()

        assert sorted(await reasons(bundoc)) == ["manual"] * 4 + ["scheduled"] * 2


async def test_a_project_may_have_its_own_backup_schedule(tmp_path: Path, kms: FakeKms, clock: ManualClock) -> None:
    async with room(tmp_path, kms, clock) as bundoc:
        await put(bundoc, "d1")
        await put(bundoc, "d1", caller=OTHER_SERVER)
        own = await bundoc.set_backup_schedule(OWNER, BackupSchedule(0, 5))
        assert (own.every_hours, own.kept, own.own) == (0, 5, True)
        clock.advance(DAY)
        await bundoc.backup_service.back_up_due()
        assert (await reasons(bundoc), await reasons(bundoc, OTHER_OWNER)) == ([], ["scheduled"])

    async with room(tmp_path, kms, clock) as bundoc:
        assert (await bundoc.backup_schedule(OWNER)).own
        assert not (await bundoc.set_backup_schedule(OWNER, None)).own
        await bundoc.backup_service.back_up_due()
        assert await reasons(bundoc) == ["scheduled"]


async def test_a_failed_backup_does_not_stop_backups_of_other_projects(
    tmp_path: Path, kms: FakeKms, clock: ManualClock
) -> None:
    async with room(tmp_path, kms, clock) as bundoc:
        await put(bundoc, "d1")
        await put(bundoc, "d1", caller=OTHER_SERVER)
    await kms.destroy("prj_a")
    clock.advance(DAY)

    async with room(tmp_path, kms, clock) as bundoc:
        await bundoc.backup_service.back_up_due()

        assert (await reasons(bundoc), await reasons(bundoc, OTHER_OWNER)) == ([], ["scheduled"])


async def test_the_oldest_safety_backups_are_deleted_too(tmp_path: Path, kms: FakeKms, clock: ManualClock) -> None:
    async with room(tmp_path, kms, clock) as bundoc:
        await put(bundoc, "d1")
        id = await backed_up(bundoc)
        for _ in range(4):
            restored = await bundoc.restore_backup(OWNER, OWNER, id)
            running = bundoc.backup_service.jobs.jobs[restored.id]
            assert running.task is not None
            await running.task
        clock.advance(DAY)
        await bundoc.backup_service.back_up_due()

        made = await reasons(bundoc)
        assert made.count(BackupReason.BEFORE_RESTORE.value) == 2


@given(
    st.from_regex(r"prj_[0-9a-z]{1,26}", fullmatch=True),
    st.integers(1, 8760),
    st.floats(0, 4e9),
)
def test_every_backup_period_begins_once_and_is_no_longer_than_configured(project: str, hours: int, at: float) -> None:
    schedule = BackupSchedule(hours, 1)

    first = next_period(project, schedule, at)

    assert at < first <= at + hours * HOUR_SECONDS
    assert next_period(project, schedule, first) == first + hours * HOUR_SECONDS


def test_backups_of_projects_spread_over_the_period() -> None:
    schedule = BackupSchedule(24, 1)
    hours = {int(next_period(f"prj_{number}", schedule, 0.0)) // HOUR_SECONDS for number in range(500)}

    assert len(hours) == 24


def room(tmp_path: Path, kms: FakeKms, clock: ManualClock) -> AbstractAsyncContextManager[BundocRoom]:
    return whole_bundoc(tmp_path, kms, DAILY, clock)
