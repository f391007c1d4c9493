from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.gateway.door import Door, door_of


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    async with door_of() as opened:
        yield opened
