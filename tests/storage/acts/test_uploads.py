"""Uploads stop: a client is silent, a client sends too much at once, or a disk is almost full."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.bundoc.problems import DiskFull
from bunbase.contracts.caller import Caller, CallerKind, EndUser
from bunbase.contracts.storage import (
    MAX_BUCKETS,
    PIECE_BYTES,
    BucketChanges,
    BucketRules,
    ContentTypeRefused,
    Copying,
    InvalidLink,
    KeptPlace,
    Listing,
    NewBucket,
    NewLink,
    NewObject,
    ObjectTooLarge,
    Piece,
    Place,
    Reading,
    TooManyBuckets,
    TooManyUploads,
    UploadNotFound,
)
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.storage.acts.downloads import CHECK_SECONDS
from bunbase.storage.acts.uploads import MIN_RATE
from bunbase.storage.service import StorageService
from tests.fakes import FakeKms
from tests.rooms import publishable_caller
from tests.storage.room import SECRET, opened_storage, put, read

HERE = Place("files", "a")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageService]:
    async with opened_storage(tmp_path, FakeKms()) as service:
        await service.create_bucket(SECRET, NewBucket(name="files"))
        yield service


async def test_a_silent_upload_is_given_up(storage: StorageService) -> None:
    now = [0.0]
    storage.uploads.monotonic = lambda: now[0]
    silent = await storage.begin_upload(SECRET, HERE, NewObject())
    now[0] += storage.holdings.settings.idle_upload_seconds + 1
    busy = await storage.begin_upload(SECRET, HERE, NewObject())

    await storage.uploads.end_idle()

    with pytest.raises(UploadNotFound):
        await storage.feed_upload(SECRET, silent, b"x")
    await storage.feed_upload(SECRET, busy, b"x")
    await storage.finish_upload(SECRET, busy)
    assert not storage.uploads.running


async def test_an_upload_that_is_too_slow_is_given_up(storage: StorageService) -> None:
    now = [0.0]
    storage.uploads.monotonic = lambda: now[0]
    slow = await storage.begin_upload(SECRET, HERE, NewObject())
    steady = await storage.begin_upload(SECRET, HERE, NewObject())
    for _ in range(20):
        now[0] += 60
        await storage.uploads.end_idle()
        with contextlib.suppress(UploadNotFound):
            await storage.feed_upload(SECRET, slow, b"x")
        await storage.feed_upload(SECRET, steady, bytes(60 * MIN_RATE))

    assert [one.id for one in storage.uploads.running.values()] == [steady]


async def test_nobody_keeps_all_others_from_uploading(storage: StorageService) -> None:
    everybody = BucketChanges(rules=BucketRules(create="true"))
    await storage.update_bucket(SECRET, "files", everybody)
    most = storage.holdings.settings.max_uploads

    async def begun(caller: Caller, number: int) -> int:
        """Return the number of uploads that the caller could begin."""
        for done in range(number):
            try:
                await storage.begin_upload(caller, Place("files", f"{caller.ip} {done}"), NewObject())
            except TooManyUploads:
                return done
        return number

    users = [publishable_caller("prj_a", EndUser(name, None, "user", {}, "ses")) for name in "abcd"]
    visitor = publishable_caller("prj_a")

    assert [await begun(user, most) for user in users[:2]] == [most // 4] * 2
    assert await begun(visitor, most) == most // 4
    assert await begun(msgspec.structs.replace(visitor, ip="127.0.0.2"), most) == 0
    assert await begun(users[2], 1) == 0
    assert await begun(SECRET, most) == most // 4
    assert len(storage.uploads.running) == most


async def test_no_key_of_a_project_takes_all_places(storage: StorageService) -> None:
    most = storage.holdings.settings.max_uploads

    async def begun(key: str, *buckets: str) -> int:
        """Return the number of uploads that a key, or a credential for some buckets, could begin."""
        caller = msgspec.structs.replace(SECRET, key=key, buckets=buckets)
        for done in range(most):
            try:
                await storage.begin_upload(caller, Place("files", f"{key} {done}"), NewObject())
            except TooManyUploads:
                return done
        return most

    assert [await begun(f"BBAK{number}", "files") for number in range(4)] == [most // 4] * 3 + [0]
    assert await begun("key_1") == most // 4
    storage.uploads.end_project("prj_a")
    assert [await begun(name) for name in ("key_1", "key_2")] == [most - most // 4, most // 4]


async def test_a_rule_that_is_tightened_ends_a_download(storage: StorageService) -> None:
    content, user = bytes(4 << 20), publishable_caller("prj_a", EndUser("a", None, "user", {}, "ses"))
    await put(storage, "a", content)
    await storage.update_bucket(SECRET, "files", BucketChanges(rules=BucketRules(get="auth != null")))
    link = await storage.sign(SECRET, NewLink("files", "a"))
    now = [0.0]
    storage.downloads.monotonic = lambda: now[0]

    async def received(caller: Caller, place: Place) -> int:
        """Return the bytes that arrive if the rule is removed after the first piece."""
        size = 0
        await storage.update_bucket(SECRET, "files", BucketChanges(rules=BucketRules(get="auth != null")))
        with contextlib.suppress(Problem):
            async for part in storage.read(caller, Reading(place)):
                if isinstance(part, Piece):
                    if not size:
                        await storage.update_bucket(SECRET, "files", BucketChanges(rules=BucketRules(get="false")))
                    size += len(part.data)
                    now[0] += CHECK_SECONDS
        return size

    assert 0 < await received(user, HERE) < len(content)
    assert await received(SECRET, HERE) == len(content)
    anybody = Caller(CallerKind.ANONYMOUS, project="prj_a")
    assert await received(anybody, Place("files", "a", link.token)) == len(content)  # the link was for the beginning


async def test_many_writes_of_one_key_at_the_same_time_all_succeed(storage: StorageService) -> None:
    copying = Copying(KeptPlace("files", "b"), KeptPlace("files", "a"))
    await put(storage, "b", b"b")

    writes = [put(storage, "a", str(number).encode()) for number in range(20)]
    copies = [storage.copy_object(SECRET, copying, moves=False) for _ in range(20)]
    written = await asyncio.gather(*writes, *copies)

    assert sum([one.created for one in written]) == 1
    used = await storage.stored(SECRET)
    assert used.objects == 2


async def test_a_piece_has_a_limit(storage: StorageService) -> None:
    upload = await storage.begin_upload(SECRET, HERE, NewObject())

    with pytest.raises(InvalidInput):
        await storage.feed_upload(SECRET, upload, bytes(PIECE_BYTES + 1))
    assert not storage.uploads.running


async def test_uploads_stop_before_the_disk_is_full(storage: StorageService) -> None:
    await put(storage, "a", b"kept")
    full = msgspec.structs.replace(storage.holdings.settings, min_free_mib=1 << 30)
    object.__setattr__(storage.holdings, "settings", full)

    with pytest.raises(DiskFull):
        await storage.begin_upload(SECRET, HERE, NewObject())
    assert not storage.uploads.running
    assert await read(storage, "a") == b"kept"


async def test_an_upload_into_a_bucket_that_was_deleted_and_made_again_arrives_there(storage: StorageService) -> None:
    upload = await storage.begin_upload(SECRET, HERE, NewObject())
    await storage.feed_upload(SECRET, upload, b"x")
    await storage.delete_bucket(SECRET, "files")
    await storage.create_bucket(SECRET, NewBucket(name="files"))

    await storage.finish_upload(SECRET, upload)

    assert await read(storage, "a") == b"x"


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (NewBucket(name="files", max_bytes=1), ObjectTooLarge),
        (NewBucket(name="files", mime=("image/*",)), ContentTypeRefused),
        (NewBucket(name="files", mime=("text/plain",)), ContentTypeRefused),
    ],
)
async def test_the_limits_of_a_bucket_that_was_made_again_hold_for_running_uploads(
    storage: StorageService, new: NewBucket, problem: type[Problem]
) -> None:
    upload = await storage.begin_upload(SECRET, HERE, NewObject("text/plain"))
    await storage.feed_upload(SECRET, upload, b"<html>")
    await storage.delete_bucket(SECRET, "files")
    await storage.create_bucket(SECRET, new)

    with pytest.raises(problem):
        await storage.finish_upload(SECRET, upload)
    assert (await storage.objects(SECRET, "files", Listing())).items == ()


async def test_a_link_ends_with_its_bucket_also_for_a_running_upload(storage: StorageService) -> None:
    link = await storage.sign(SECRET, NewLink("files", "a", method="PUT"))
    anybody = Caller(CallerKind.ANONYMOUS, project="prj_a")
    upload = await storage.begin_upload(anybody, Place("files", "a", link.token), NewObject())
    await storage.feed_upload(anybody, upload, b"x")
    await storage.delete_bucket(SECRET, "files")
    await storage.create_bucket(SECRET, NewBucket(name="files"))

    with pytest.raises(InvalidLink):
        await storage.finish_upload(anybody, upload)


async def test_a_project_has_a_limited_number_of_buckets(storage: StorageService) -> None:
    for number in range(MAX_BUCKETS - 1):
        await storage.create_bucket(SECRET, NewBucket(name=f"bucket{number}"))

    with pytest.raises(TooManyBuckets):
        await storage.create_bucket(SECRET, NewBucket(name="one-more"))


async def test_an_upload_that_is_ended_while_a_piece_is_written_gives_its_place_back(
    storage: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await storage.begin_upload(SECRET, HERE, NewObject())
    writing, written = asyncio.Event(), asyncio.Event()
    writer = storage.uploads.running[upload].writer
    write = writer.write_with

    async def write_slowly(work: Callable[[], Sequence[bytes]]) -> None:
        writing.set()
        await written.wait()
        await write(work)

    monkeypatch.setattr(writer, "write_with", write_slowly)
    piece = asyncio.create_task(storage.feed_upload(SECRET, upload, bytes(PIECE_BYTES)))
    await writing.wait()
    ended = asyncio.create_task(storage.abort_upload(SECRET, upload))
    await asyncio.sleep(0)
    written.set()
    await asyncio.gather(piece, ended)

    assert not storage.uploads.running
    with pytest.raises(UploadNotFound):
        await storage.finish_upload(SECRET, upload)
