"""Deletions of many objects whose rules are expensive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bunbase.contracts.storage import BucketRules, Listing, NewBucket, StorageBusy
from bunbase.storage.acts import removing
from bunbase.storage.service import StorageService
from tests.fakes import FakeKms
from tests.rooms import publishable_caller
from tests.storage.room import SECRET, opened_storage, put

KEYS = tuple([str(number) for number in range(10)])
VISITOR = publishable_caller("prj_a")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageService]:
    async with opened_storage(tmp_path, FakeKms()) as service:
        await service.create_bucket(SECRET, NewBucket(name="files", rules=BucketRules(delete="true")))
        for key in KEYS:
            await put(service, key, b"x")
        yield service


async def test_other_requests_run_between_the_rules_of_many_objects(
    storage: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request deletes many objects, and evaluates the rule for each. In between, other requests run."""
    loop, order = asyncio.get_running_loop(), []
    allows = storage.removing.access.deciding.allows

    async def noted(*asked: object) -> bool:
        order.append("rule")
        loop.call_soon(order.append, "other")
        return await allows(*asked)  # type: ignore[arg-type]  # the same arguments

    monkeypatch.setattr(storage.removing.access.deciding, "allows", noted)

    deleted = await storage.delete_objects(VISITOR, "files", KEYS)

    assert order == ["rule", "other"] * len(KEYS)
    assert all(one.deleted for one in deleted)


async def test_rules_that_take_too_long_end_the_request_and_delete_nothing(
    storage: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(*_asked: object) -> bool:
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(removing, "DECIDE_SECONDS", 0.01)
    monkeypatch.setattr(storage.removing.access.deciding, "allows", endless)

    with pytest.raises(StorageBusy):
        await storage.delete_objects(VISITOR, "files", KEYS)
    assert len((await storage.objects(SECRET, "files", Listing())).items) == len(KEYS)
