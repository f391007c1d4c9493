"""Resumable uploads hold their contract in this process and behind an internal port."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller, CallerKind, EndUser, Role
from bunbase.contracts.resumable import (
    NewChunk,
    NewResumable,
    Resumable,
    UploadBusy,
    UploadChecksumMismatch,
    UploadOffsetMismatch,
)
from bunbase.contracts.storage import (
    BucketNotFound,
    BucketRules,
    ContentTypeRefused,
    NewBucket,
    ObjectChanged,
    ObjectNotFound,
    ObjectTooLarge,
    Opened,
    Piece,
    Place,
    Reading,
    Storage,
    StorageQuotaExceeded,
    TooManyUploads,
    UploadNotFound,
)
from bunbase.pkg.errors import Forbidden, InvalidInput, Problem
from bunbase.pkg.modules import Rooms
from bunbase.storage.module import MODULE
from bunbase.storage.settings import StorageSettings
from tests.fakes import FakeKms
from tests.rooms import member_caller, opened, publishable_caller, secret_caller, site

SECRET = secret_caller("prj_a")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(1000)
SETTINGS = StorageSettings(max_bytes=3_000_000, max_resumable_uploads=20, max_uploads=8, min_free_mib=0)


@pytest.fixture(params=["local", "remote"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    rooms = Rooms({Kms: FakeKms(), Bundoc: None})
    async with opened(MODULE, rooms, site(tmp_path), request.param, SETTINGS) as service:
        await service.create_bucket(SECRET, NewBucket(name="files"))
        yield service


def user(uid: str) -> Caller:
    return publishable_caller("prj_a", EndUser(uid, None, "user", {}, f"ses_{uid}"))


async def begin(storage: Storage, key: str, length: int | None, by: Caller = SECRET, **more: Any) -> Resumable:
    return await storage.begin_resumable(by, NewResumable(more.pop("bucket", "files"), key, length, **more))


async def send(
    storage: Storage, id: str, offset: int, data: bytes, by: Caller = SECRET, whole: bool = True, **more: Any
) -> Resumable:
    chunk = await storage.begin_chunk(by, NewChunk(id, offset, **more))
    try:
        for at in range(0, len(data), 1 << 19):
            await storage.feed_chunk(by, chunk, data[at : at + (1 << 19)])
    except Problem:
        await storage.finish_chunk(by, chunk, False)
        raise
    return await storage.finish_chunk(by, chunk, whole)


async def read(storage: Storage, key: str, by: Caller = SECRET, bucket: str = "files") -> bytes:
    parts = [part async for part in storage.read(by, Reading(Place(bucket, key)))]
    return b"".join([part.data for part in parts if isinstance(part, Piece)])


async def test_an_upload_in_chunks_becomes_an_object_with_its_last_byte(storage: Storage) -> None:
    content = bytes(range(256)) * 4000
    more: Any = {"content_type": "text/x-test", "metadata": {"title": "A"}, "sent": "key YQ=="}
    begun = await begin(storage, "a", len(content), **more)
    first = await send(storage, begun.id, 0, content[:700_000])
    with pytest.raises(ObjectNotFound):
        await read(storage, "a")
    last = await send(storage, begun.id, 700_000, content[700_000:])

    assert (begun.offset, begun.length, begun.finished, begun.sent) == (0, len(content), False, "key YQ==")
    assert (first.offset, first.finished) == (700_000, False)
    assert (last.offset, last.finished) == (len(content), True)
    assert last.object is not None
    assert (last.object.size, len(last.object.etag), last.object.etag[-2:]) == (len(content), 34, "-2")
    assert await read(storage, "a") == content
    opened = await anext(aiter(storage.read(SECRET, Reading(Place("files", "a")))))
    assert isinstance(opened, Opened)
    assert (opened.object.content_type, opened.object.metadata) == ("text/x-test", {"title": "A"})
    again = await storage.resumable(SECRET, begun.id)
    assert again == last


async def test_one_chunk_has_the_md5_of_its_bytes_and_an_empty_upload_is_stored_at_once(storage: Storage) -> None:
    one = await begin(storage, "one", 5)
    whole = await send(storage, one.id, 0, b"hello")
    empty = await begin(storage, "empty", 0)

    assert whole.object is not None
    assert whole.object.etag == hashlib.md5(b"hello").hexdigest()
    assert empty.object is not None
    assert (empty.finished, empty.offset, empty.object.etag) == (True, 0, hashlib.md5(b"").hexdigest())
    assert await read(storage, "empty") == b""


async def test_a_repeated_chunk_counts_once(storage: Storage) -> None:
    one = await begin(storage, "a", 10)
    await send(storage, one.id, 0, b"01234")
    with pytest.raises(UploadOffsetMismatch) as refused:
        await send(storage, one.id, 0, b"01234")
    with pytest.raises(UploadOffsetMismatch):
        await send(storage, one.id, 7, b"789")

    assert refused.value.extra["offset"] == 5
    assert (await send(storage, one.id, 5, b"56789")).finished
    with pytest.raises(UploadOffsetMismatch, match="finished"):
        await send(storage, one.id, 5, b"56789")
    assert await read(storage, "a") == b"0123456789"


async def test_a_chunk_that_breaks_off_keeps_its_bytes_unless_it_has_a_checksum(storage: Storage) -> None:
    one = await begin(storage, "a", 10)
    sums: Any = {"algorithm": "sha1", "digest": hashlib.sha1(b"56789").hexdigest()}
    broken = await send(storage, one.id, 0, b"01234", whole=False)
    cut = await send(storage, one.id, 5, b"567", whole=False, **sums)
    with pytest.raises(UploadChecksumMismatch):
        await send(storage, one.id, 5, b"56780", **sums)

    assert (broken.offset, cut.offset) == (5, 5)
    assert (await send(storage, one.id, 5, b"56789", **sums)).finished
    assert await read(storage, "a") == b"0123456789"


async def test_a_length_can_be_sent_later_and_never_changes(storage: Storage) -> None:
    one = await begin(storage, "a", None)
    await send(storage, one.id, 0, b"01234")
    assert (await storage.resumable(SECRET, one.id)).length is None
    with pytest.raises(InvalidInput):
        await storage.begin_chunk(SECRET, NewChunk(one.id, 5, length=4))
    await send(storage, one.id, 5, b"56", length=8)
    with pytest.raises(InvalidInput):
        await storage.begin_chunk(SECRET, NewChunk(one.id, 7, length=9))
    with pytest.raises(ObjectTooLarge):
        await send(storage, one.id, 7, b"78")
    last = await send(storage, one.id, 7, b"7")
    other = await begin(storage, "b", None)
    await send(storage, other.id, 0, b"01234")
    known = await send(storage, other.id, 5, b"", length=5)

    assert (last.finished, known.finished) == (True, True)
    assert (await read(storage, "a"), await read(storage, "b")) == (b"01234567", b"01234")


async def test_a_chunk_that_must_wait_changes_nothing(storage: Storage) -> None:
    one = await begin(storage, "a", None)
    chunk = await storage.begin_chunk(SECRET, NewChunk(one.id, 0))

    with pytest.raises(UploadBusy):
        await storage.begin_chunk(SECRET, NewChunk(one.id, 0, length=3))

    await storage.feed_chunk(SECRET, chunk, b"01234")
    found = await storage.finish_chunk(SECRET, chunk, True)
    assert (found.offset, found.length) == (5, None)
    assert (await send(storage, one.id, 5, b"56", length=7)).finished


async def test_requests_that_complete_an_upload_at_once_get_the_same_answer(storage: Storage) -> None:
    for number in range(5):
        one = await begin(storage, f"a{number}", 5)
        chunk = await storage.begin_chunk(SECRET, NewChunk(one.id, 0))
        await storage.feed_chunk(SECRET, chunk, b"01234")

        last = storage.finish_chunk(SECRET, chunk, True)
        found = await asyncio.gather(last, *[storage.resumable(SECRET, one.id) for _ in range(6)])
        again = await asyncio.gather(*[storage.resumable(SECRET, one.id) for _ in range(6)])

        etags = {None if state.object is None else state.object.etag for state in (found[0], *again)}
        assert etags == {hashlib.md5(b"01234").hexdigest()}
        assert all(state.finished for state in (found[0], *again))


async def test_two_chunks_at_the_same_time_are_refused(storage: Storage) -> None:
    one = await begin(storage, "a", 10)
    chunk = await storage.begin_chunk(SECRET, NewChunk(one.id, 0))
    with pytest.raises(UploadBusy):
        await storage.begin_chunk(SECRET, NewChunk(one.id, 0))
    with pytest.raises(UploadBusy):
        await storage.end_resumable(SECRET, one.id)
    await storage.feed_chunk(SECRET, chunk, b"01234")

    assert (await storage.finish_chunk(SECRET, chunk, True)).offset == 5
    await storage.end_resumable(SECRET, one.id)
    for _ in range(2):
        with pytest.raises(UploadNotFound):
            await storage.end_resumable(SECRET, one.id)
    with pytest.raises(UploadNotFound):
        await storage.feed_chunk(SECRET, chunk, b"56789")


async def test_limits_types_and_room_hold_as_for_an_upload(storage: Storage) -> None:
    await storage.create_bucket(SECRET, NewBucket(name="images", mime=("image/*",), max_bytes=2000))
    images: Any = {"length": 10, "content_type": "image/png", "bucket": "images"}
    for wrong, more in ((ObjectTooLarge, {"length": 2001}), (ContentTypeRefused, {"content_type": "text/html"})):
        with pytest.raises(wrong):
            await begin(storage, "a", **(images | more))
    with pytest.raises(BucketNotFound):
        await begin(storage, "a", 5, bucket="missing")
    with pytest.raises(StorageQuotaExceeded):
        await begin(storage, "a", 3_000_001)
    disguised = await begin(storage, "a", 1000, content_type="image/png", bucket="images")
    await send(storage, disguised.id, 0, b"<html>")
    with pytest.raises(ContentTypeRefused):
        await send(storage, disguised.id, 6, bytes(994))
    with pytest.raises(UploadNotFound):
        await storage.resumable(SECRET, disguised.id)
    growing = await begin(storage, "b", None, content_type="image/png", bucket="images")
    with pytest.raises(ObjectTooLarge):
        await send(storage, growing.id, 0, bytes(2001))
    true = await begin(storage, "c", len(PNG), content_type="image/png", bucket="images")
    await send(storage, true.id, 0, PNG[:3])

    assert (await send(storage, true.id, 3, PNG[3:])).finished
    assert (await storage.stored(SECRET)).bytes == len(PNG)


async def test_the_parts_of_unfinished_uploads_count_to_the_quota_once(storage: Storage) -> None:
    one = await begin(storage, "a", 2_000_000)
    await send(storage, one.id, 0, bytes(1_900_000))
    with pytest.raises(StorageQuotaExceeded):
        await begin(storage, "b", 1_200_000)
    await send(storage, one.id, 1_900_000, bytes(100_000))
    await begin(storage, "b", 900_000)

    assert (await storage.stored(SECRET)).bytes == 2_000_000


async def test_conditions_hold_when_the_upload_becomes_an_object(storage: Storage) -> None:
    first = await begin(storage, "a", 1, if_none_match="*")
    second = await begin(storage, "a", 1, if_none_match="*")
    await send(storage, first.id, 0, b"1")
    with pytest.raises(ObjectChanged):
        await send(storage, second.id, 0, b"2")
    with pytest.raises(ObjectChanged):
        await begin(storage, "a", 1, if_none_match="*")

    assert await read(storage, "a") == b"1"


async def test_rules_decide_at_the_beginning_and_at_the_end_and_an_upload_belongs_to_its_user(storage: Storage) -> None:
    rules = BucketRules(get="object.owner == auth.uid", create="auth != null && next.size < 100", update="false")
    await storage.create_bucket(SECRET, NewBucket(name="own", rules=rules))
    ada, eve = user("ada"), user("eve")
    with pytest.raises(RuleDenied):
        await begin(storage, "a", 1, publishable_caller("prj_a"), bucket="own")
    with pytest.raises(RuleDenied):
        await begin(storage, "a", 100, ada, bucket="own")
    with pytest.raises(RuleDenied):
        await begin(storage, "a", 1, Caller(CallerKind.ANONYMOUS, project="prj_a"), bucket="own")
    with pytest.raises(Forbidden):
        await begin(storage, "a", 1, member_caller("prj_a", Role.VIEWER), bucket="own")
    one, other = [await begin(storage, "a", 5, ada, bucket="own") for _ in range(2)]
    for call in (storage.resumable, storage.end_resumable):
        with pytest.raises(UploadNotFound):
            await call(eve, one.id)
        with pytest.raises(UploadNotFound):
            await call(secret_caller("prj_b"), one.id)
    with pytest.raises(UploadNotFound):
        await send(storage, one.id, 0, b"evil!", eve)
    await send(storage, one.id, 0, b"hello", ada)
    with pytest.raises(RuleDenied):
        await send(storage, other.id, 0, b"other", ada)
    growing = await begin(storage, "b", None, ada, bucket="own")
    with pytest.raises(RuleDenied):
        await send(storage, growing.id, 0, bytes(100), ada, length=100)

    assert await read(storage, "a", ada, "own") == b"hello"


async def test_the_number_of_unfinished_uploads_is_limited_for_each_user_and_for_the_project(storage: Storage) -> None:
    await storage.create_bucket(SECRET, NewBucket(name="open", rules=BucketRules(create="true")))
    for number in range(2):
        await begin(storage, f"{number}", 1, user("ada"), bucket="open")
    with pytest.raises(TooManyUploads) as refused:
        await begin(storage, "x", 1, user("ada"), bucket="open")
    for number in range(13):
        await begin(storage, f"{number}", 1, user(f"u{number}"), bucket="open")
    with pytest.raises(TooManyUploads):
        await begin(storage, "x", 1, user("one"), bucket="open")
    begun = [await begin(storage, f"{number}", 1) for number in range(5)]
    with pytest.raises(TooManyUploads):
        await begin(storage, "x", 1)
    await send(storage, begun[0].id, 0, b"1")
    await begin(storage, "x", 1)

    assert refused.value.extra["limit"] == 2
