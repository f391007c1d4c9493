"""Lists for callers bound by rules: cursors show no hidden keys, and expensive rules leave out no objects."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from bunbase.contracts.caller import EndUser
from bunbase.contracts.storage import BucketRules, Listing, NewBucket
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.rules.inputs import MAX_STEPS
from bunbase.storage import deciding
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
