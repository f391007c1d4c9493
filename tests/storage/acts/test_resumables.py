"""An upload belongs to the user who has begun it, also for servers that act as users, and has one length."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.caller import Caller, EndUser
from bunbase.contracts.resumable import NewChunk, NewResumable, Resumable, UploadBusy
from bunbase.contracts.storage import BucketRules, NewBucket, UploadNotFound
from bunbase.pkg.errors import InvalidInput
from bunbase.storage.service import StorageService
from bunbase.storage.store.resumable import set_length
from tests.fakes import FakeKms
from tests.rooms import member_caller, publishable_caller
from tests.storage.room import SECRET, opened_storage, read

ADA = publishable_caller("prj_a", EndUser("ada", None, "user", {}, "ses_1"))
EVE = publishable_caller("prj_a", EndUser("eve", None, "user", {}, "ses_2"))
VISITOR = msgspec.structs.replace(publishable_caller("prj_a"), ip="192.0.2.1")
ELSEWHERE = msgspec.structs.replace(VISITOR, ip="198.51.100.1")
MEMBER = member_caller("prj_a")
RULES = BucketRules(get="object.owner == auth.uid", create="true", update="true")


def acting(as_caller: Caller) -> Caller:
    """Return a server that acts as this user or visitor (X-Bunbase-As)."""
    return msgspec.structs.replace(as_caller, act="key_1", key="key_1")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageService]:
    async with opened_storage(tmp_path, FakeKms()) as service:
        await service.create_bucket(SECRET, NewBucket(name="files", rules=RULES))
        yield service


async def begun(storage: StorageService, caller: Caller, length: int | None = 6) -> str:
    return (await storage.begin_resumable(caller, NewResumable("files", "a", length))).id


async def sent(storage: StorageService, caller: Caller, upload: str, offset: int, data: bytes) -> Resumable:
    chunk = await storage.begin_chunk(caller, NewChunk(upload, offset))
    await storage.feed_chunk(caller, chunk, data)
    return await storage.finish_chunk(caller, chunk, True)


@pytest.mark.parametrize(
    ("owner", "stranger"),
    [
        (ADA, EVE),
        (ADA, VISITOR),
        (ADA, acting(EVE)),
        (ADA, acting(VISITOR)),
        (acting(ADA), EVE),
        (acting(ADA), acting(EVE)),
        (acting(ADA), VISITOR),
        (VISITOR, ADA),
        (VISITOR, acting(ADA)),
        (SECRET, ADA),
        (SECRET, VISITOR),
        (SECRET, acting(ADA)),
        (SECRET, acting(VISITOR)),
        (MEMBER, acting(ADA)),
    ],
)
async def test_uploads_of_others_do_not_exist(storage: StorageService, owner: Caller, stranger: Caller) -> None:
    upload = await begun(storage, owner)
    await sent(storage, owner, upload, 0, b"012")

    for act in (
        storage.resumable(stranger, upload),
        storage.begin_chunk(stranger, NewChunk(upload, 3)),
        storage.end_resumable(stranger, upload),
    ):
        with pytest.raises(UploadNotFound):
            await act
    finished = await sent(storage, owner, upload, 3, b"345")

    assert finished.finished
    assert await read(storage, "a") == b"012345"
    with pytest.raises(UploadNotFound):  # the note of a finished upload has the properties of the object
        await storage.resumable(stranger, upload)


@pytest.mark.parametrize(
    ("owner", "other"),
    [
        (ADA, SECRET),
        (ADA, MEMBER),
        (ADA, acting(ADA)),
        (acting(ADA), ADA),
        (acting(ADA), acting(ADA)),
        (acting(ADA), SECRET),
        (VISITOR, ELSEWHERE),
        (VISITOR, acting(VISITOR)),
        (acting(VISITOR), acting(VISITOR)),
        (SECRET, MEMBER),
    ],
)
async def test_servers_and_the_same_user_continue_an_upload(
    storage: StorageService, owner: Caller, other: Caller
) -> None:
    upload = await begun(storage, owner)
    await sent(storage, owner, upload, 0, b"012")

    state = await storage.resumable(other, upload)
    finished = await sent(storage, other, upload, 3, b"345")

    assert (state.offset, finished.finished) == (3, True)
    assert await read(storage, "a") == b"012345"


async def test_of_two_lengths_at_the_same_time_one_counts(storage: StorageService) -> None:
    for first, second in ((8, 3), (3, 8)):
        upload = await begun(storage, SECRET, None)

        async def begin(length: int, upload: str = upload) -> Resumable:
            chunk = await storage.begin_chunk(SECRET, NewChunk(upload, 0, length))
            await storage.feed_chunk(SECRET, chunk, b"01234567"[:length])
            return await storage.finish_chunk(SECRET, chunk, True)

        ended = await asyncio.gather(begin(first), begin(second), return_exceptions=True)

        states = [one for one in ended if isinstance(one, Resumable)]
        assert len(states) == 1, ended
        assert [type(one) for one in ended if not isinstance(one, Resumable)] == [UploadBusy]
        assert states[0].finished
        assert await read(storage, "a") == b"01234567"[: states[0].length]


async def test_a_length_that_another_process_has_set_meanwhile_counts(storage: StorageService) -> None:
    upload = await begun(storage, SECRET, None)
    async with storage.holdings.files.using("prj_a") as file:
        assert file is not None
        assert (await file.write(partial(set_length, id=upload, length=8))).kept.new.length == 8
        assert (await file.write(partial(set_length, id=upload, length=8))).kept.new.length == 8
        with pytest.raises(InvalidInput):
            await file.write(partial(set_length, id=upload, length=3))

    assert (await storage.resumable(SECRET, upload)).length == 8


async def test_a_length_below_the_bytes_of_the_upload_is_refused(storage: StorageService) -> None:
    upload = await begun(storage, SECRET, None)
    await sent(storage, SECRET, upload, 0, b"0123")

    with pytest.raises(InvalidInput):
        await storage.begin_chunk(SECRET, NewChunk(upload, 4, 3))

    assert (await storage.resumable(SECRET, upload)).length is None
