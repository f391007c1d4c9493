"""Readers of the change log, and readers that wait for the next change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from bunbase.contracts.bundoc.problems import ResyncRequired, RuleDenied
from bunbase.contracts.object_changes import ObjectChanges
from bunbase.contracts.storage import Copying, KeptPlace, NewBucket, Place, StorageBusy
from bunbase.pkg.clock import ManualClock, SystemClock
from bunbase.pkg.errors import InvalidInput
from bunbase.storage.acts.multipart import MultipartActs
from bunbase.storage.service import StorageService
from tests.fakes import FakeKms
from tests.rooms import ANYONE, publishable_caller, secret_caller
from tests.storage import room
from tests.storage.room import SECRET, opened_storage, put, put_in_parts

CLOCK = ManualClock(SystemClock().now())


@pytest_asyncio.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageService]:
    async with opened_storage(tmp_path, FakeKms(), CLOCK) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        yield storage


async def test_each_kind_of_write_is_a_change(storage: StorageService) -> None:
    by_run = msgspec.structs.replace(SECRET, depth=2)
    await put(storage, "a", b"one")
    await put(storage, "a", b"two", by_run)
    await storage.copy_object(by_run, Copying(KeptPlace("files", "a"), KeptPlace("files", "b")), moves=False)
    moving = Copying(KeptPlace("files", "b"), KeptPlace("files", "c"), content_type="image/png")
    await storage.copy_object(by_run, moving, moves=True)
    await storage.copy_object(SECRET, Copying(KeptPlace("files", "a"), KeptPlace("files", "c")), moves=True)
    await put(storage, "d", b"three")
    await storage.delete_objects(by_run, "files", ("c", "missing", "d"))
    await put(storage, "e", b"four")
    await storage.delete_object(by_run, Place("files", "e"))

    found = await storage.changes(SECRET, 0, 100, 0)

    assert [(one.op, one.key, one.depth) for one in found.items] == [
        ("create", "a", 0),
        ("update", "a", 2),
        ("create", "b", 2),
        ("delete", "b", 2),
        ("create", "c", 2),
        ("update", "c", 0),
        ("delete", "a", 0),
        ("create", "d", 0),
        ("delete", "c", 2),
        ("delete", "d", 2),
        ("create", "e", 0),
        ("delete", "e", 2),
    ]
    assert (found.items[4].content_type, found.items[4].size) == ("image/png", 3)


async def test_an_upload_in_parts_is_one_change(storage: StorageService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MultipartActs, "min_part_bytes", 1)
    await put(storage, "a", b"one")

    await put_in_parts(storage, "a", b"three parts")
    await put_in_parts(storage, "b", b"three parts")

    found = await storage.changes(SECRET, 0, 100, 0)
    assert [(one.op, one.key, one.size) for one in found.items] == [
        ("create", "a", 3),
        ("update", "a", 11),
        ("create", "b", 11),
    ]
    assert found.items[-1].etag.endswith("-3")


async def test_a_reader_waits_for_the_next_change_and_no_longer_than_it_wants(storage: StorageService) -> None:
    start = (await storage.changes(SECRET, 0, 10, 0)).next
    waiting = asyncio.create_task(storage.changes(SECRET, start, 10, 30))
    async with asyncio.timeout(10):
        while not storage.change_acts.waiting.count:
            await asyncio.sleep(0)

    await put(storage, "a", b"one")

    assert [one.key for one in (await waiting).items] == ["a"]
    end = (await storage.changes(SECRET, start, 10, 0)).next
    assert await storage.changes(SECRET, end, 10, 0.01) == ObjectChanges((), end)
    assert storage.change_acts.waiting.count == 0


async def test_a_project_without_files_has_no_changes(storage: StorageService) -> None:
    other = secret_caller("prj_b")

    assert await storage.changes(other, 0, 10, 0) == ObjectChanges((), 0)
    with pytest.raises(ResyncRequired) as told:
        await storage.changes(other, 5, 10, 0)
    assert told.value.extra == {"first": 0, "last": 0}


async def test_only_servers_read_changes_and_only_those_of_their_project(storage: StorageService) -> None:
    await put(storage, "a", b"one")

    for caller in (publishable_caller("prj_a"), ANYONE):
        with pytest.raises(RuleDenied):
            await storage.changes(caller, 0, 10, 0)
    assert (await storage.changes(secret_caller("prj_b"), 0, 10, 0)).items == ()


@pytest.mark.parametrize("asked", [(-1, 10, 0), (1 << 63, 10, 0), (0, 0, 0), (0, 501, 0), (0, 10, -1), (0, 10, 31)])
async def test_a_reader_that_asks_for_too_much_is_refused(
    storage: StorageService, asked: tuple[int, int, float]
) -> None:
    with pytest.raises(InvalidInput):
        await storage.changes(SECRET, *asked)


async def test_too_many_waiting_readers_are_refused(storage: StorageService) -> None:
    storage.change_acts.waiting.most = 0

    with pytest.raises(StorageBusy):
        await storage.changes(SECRET, 0, 10, 1)


async def test_a_log_is_shortened_after_writes_and_when_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SETTINGS", msgspec.structs.replace(room.SETTINGS, changes=3))
    async with opened_storage(tmp_path, FakeKms(), CLOCK) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        for number in range(5):
            await put(storage, f"k{number}", b"one")

        await storage.change_acts.shorten_written()
        kept = [one.key for one in (await storage.changes(SECRET, await floor_of(storage), 10, 0)).items]
        await storage.change_acts.shorten_written()
        noted = set(storage.change_acts.written)
        CLOCK.advance(timedelta(days=8).total_seconds())
        await storage.change_acts.shorten_all()

        assert kept == ["k2", "k3", "k4"]
        assert noted == set()  # otherwise this job would write in every project, again and again
        assert not (await storage.changes(SECRET, await floor_of(storage), 10, 0)).items


async def floor_of(storage: StorageService) -> int:
    with pytest.raises(ResyncRequired) as told:
        await storage.changes(SECRET, 0, 10, 0)
    first: int = told.value.extra["first"]
    return first
