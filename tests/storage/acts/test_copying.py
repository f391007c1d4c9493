"""When rules apply to a caller who copies or moves, the rules see the object as it will be, and owners stay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.caller import Caller, EndUser
from bunbase.contracts.storage import BucketRules, Copying, KeptPlace, NewBucket, NewObject, Place, StoredObject
from bunbase.storage.service import StorageService
from tests.fakes import FakeKms
from tests.rooms import publishable_caller
from tests.storage.room import SECRET, opened_storage

ADA = publishable_caller("prj_a", EndUser("ada", None, "user", {}, "ses_1"))
EVE = publishable_caller("prj_a", EndUser("eve", None, "user", {}, "ses_2"))
RULES = BucketRules(
    get="true",
    create="next.owner == auth.uid",
    update="next.owner == object.owner && next.created == object.created",
    delete="object.owner == auth.uid",
)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageService]:
    async with opened_storage(tmp_path, FakeKms()) as service:
        await service.create_bucket(SECRET, NewBucket(name="files", rules=RULES))
        yield service


async def put(storage: StorageService, caller: Caller, key: str) -> StoredObject:
    upload = await storage.begin_upload(caller, Place("files", key), NewObject())
    await storage.feed_upload(caller, upload, key.encode())
    return (await storage.finish_upload(caller, upload)).object


def way(source: str, to: str) -> Copying:
    return Copying(KeptPlace("files", source), KeptPlace("files", to))


@pytest.mark.parametrize("moves", [False, True])
async def test_an_object_that_is_replaced_by_another_keeps_its_owner(storage: StorageService, moves: bool) -> None:
    page = await put(storage, ADA, "page")
    await put(storage, EVE, "draft")

    written = await storage.copy_object(EVE, way("draft", "page"), moves)

    assert (written.object.owner, written.object.created_at) == ("ada", page.created_at)
    assert written.object.size == len("draft")
    assert not written.created
    with pytest.raises(RuleDenied):
        await storage.delete_object(EVE, Place("files", "page"))
    used = await storage.stored(SECRET)
    assert (used.objects, used.bytes) == ((1, 5) if moves else (2, 10))


async def test_a_moved_object_keeps_its_owner_and_its_age(storage: StorageService) -> None:
    draft = await put(storage, EVE, "draft")

    written = await storage.copy_object(EVE, way("draft", "new"), moves=True)

    assert (written.object.owner, written.object.created_at) == ("eve", draft.created_at)
    assert written.created
