from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from bunbase.gateway import app, revoked
from bunbase.pkg.errors import NotFound
from tests.gateway.door import Door, FakeFunctions, door_of
from tests.gateway.others import Room
from tests.gateway.shared_routing import shared_rooms_app


@pytest.fixture(scope="package", autouse=True)
def _shared_routing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "rooms_app", shared_rooms_app)
        yield


@pytest.fixture(scope="package", autouse=True)
def _feeds_stay_live() -> Iterator[None]:
    """Let a feed of revocations fall silent only in tests that end it, because the feeds of fakes send no heartbeats.

    On a busy machine a test may take longer than STALE_SECONDS. The gateway then caches no caller, so it asks the rooms
    again, and a request whose caller has to be looked up leaves the requests behind it to the ordinary lane.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revoked, "STALE_SECONDS", 3600.0)
        yield


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    async with door_of() as opened:
        yield opened


@pytest.fixture
def _rooms_have_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every method that a fake does not define raise NotFound."""

    def missing(_self: Any, _method: str) -> Any:
        async def answer(*_: Any, **__: Any) -> Any:
            raise NotFound

        return answer

    for stand_in in (Room, FakeFunctions):
        monkeypatch.setattr(stand_in, "__getattr__", missing, raising=False)
