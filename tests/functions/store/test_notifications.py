from __future__ import annotations

import asyncio

import pytest

from bunbase.functions.store import notifications
from bunbase.functions.store.notifications import Notifications
from bunbase.pkg.db import notifications as connections
from bunbase.pkg.errors import Unreachable
from tests.pkg.db.cut_lines import swallowing
from tests.pkg.db.sample_schema import opened_database


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.5)


async def test_a_listener_notices_that_a_firewall_has_dropped_its_connection(database_url: str) -> None:
    listening = asyncio.Event()
    async with swallowing(database_url) as line, opened_database(line.url, "SELECT 1") as db:
        followed = Notifications(db).follow("news", listening.set)
        first = asyncio.ensure_future(anext(followed))
        await listening.wait()
        async with opened_database(database_url, "SELECT 1") as other:
            await other.execute("NOTIFY news, 'hello'")
        assert await first == "hello"

        line.swallows = True

        with pytest.raises(Unreachable):
            await anext(followed)
        line.swallows = False
