"""In lists for callers to whom rules apply, cursors show no hidden keys, and expensive rules leave out no objects."""

from __future__ import annotations

import asyncio
import base64
import threading
from pathlib import Path

import pytest

from bunbase.contracts.caller import EndUser
from bunbase.contracts.storage import BucketRules, Listing, NewBucket, Place, Reading, StorageBusy
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.rules.inputs import MAX_STEPS
from bunbase.storage import deciding
from bunbase.storage.acts import listing as listing_module
from tests.fakes import FakeKms
from tests.rooms import publishable_caller, secret_caller
from tests.storage.room import SECRET, opened_storage, put

ADA = publishable_caller("prj_a", EndUser("ada", None, "user", {}, "ses_1"))


async def test_a_cursor_is_sealed_for_its_project_and_query(tmp_path: Path) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        for project in (SECRET, secret_caller("prj_b")):
            rules = BucketRules(list="!object.key.contains('hidden')")
            await storage.create_bucket(project, NewBucket(name="files", rules=rules))
        for key in ("a", "b-hidden", "c"):
            await put(storage, key, b"x")

        page = await storage.objects(ADA, "files", Listing(limit=1))
        assert page.next is not None
        shown = base64.urlsafe_b64decode(page.next + "==")
        last = await storage.objects(ADA, "files", Listing(limit=1, cursor=page.next))

        assert b"hidden" not in shown
        assert b"hidden".hex().encode() not in shown
        assert [one.key for one in (*page.items, *last.items)] == ["a", "c"]
        assert last.next is None
        for caller, listing in (
            (secret_caller("prj_b"), Listing(limit=1, cursor=page.next)),
            (ADA, Listing("a", limit=1, cursor=page.next)),
            (ADA, Listing(limit=1, cursor=page.next[:-8] + "AAAAAAAA")),
        ):
            with pytest.raises(InvalidCursor):
                await storage.objects(caller, "files", listing)


async def test_an_expensive_rule_makes_pages_short_and_leaves_out_no_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        rule = "[" + ", ".join(["1"] * 50) + "].all(one, one == object.size)"
        await storage.create_bucket(SECRET, NewBucket(name="files", rules=BucketRules(list=rule)))
        for number in range(30):
            await put(storage, f"{number:02}", b"x")
        monkeypatch.setattr(deciding, "PAGE_STEPS", 500)
        assert MAX_STEPS > 500

        found, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            page = await storage.objects(ADA, "files", Listing(limit=100, cursor=cursor))
            found += [one.key for one in page.items]
            cursor, pages = page.next, pages + 1

        assert found == [f"{number:02}" for number in range(30)]
        assert 1 < pages <= 30


async def test_lists_with_rules_leave_threads_for_other_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files", rules=BucketRules(list="true")))
        await put(storage, "a", b"x")
        free, running = threading.Event(), threading.Semaphore(0)

        def slow(*_values: object) -> bool:
            running.release()
            return free.wait(30)

        monkeypatch.setattr(deciding._Filter, "__call__", slow)
        monkeypatch.setattr(listing_module, "MAX_WAITING", 50)
        lists = [asyncio.create_task(storage.objects(ADA, "files", Listing())) for _ in range(60)]
        try:
            await asyncio.to_thread(running.acquire)

            parts = [part async for part in storage.read(SECRET, Reading(Place("files", "a")))]
            await put(storage, "b", b"x")
            assert len((await storage.objects(SECRET, "files", Listing())).items) == 2

            assert len(parts) == 2
            with pytest.raises(StorageBusy):
                await storage.objects(ADA, "files", Listing())
        finally:
            free.set()
        done = await asyncio.gather(*lists, return_exceptions=True)
        assert 50 <= sum([not isinstance(one, StorageBusy) for one in done]) < 60
