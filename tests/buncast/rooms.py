"""A Buncast without a database: its definitions are in memory, and its rules look up no documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast

from bunbase.buncast.service import BuncastService
from bunbase.buncast.settings import BuncastSettings
from bunbase.contracts.buncast import Channels, ChannelSpec
from bunbase.pkg.clock import SystemClock
from bunbase.pkg.usage.batches import Batch, Receipt
from tests.rooms import secret_caller

PROJECT = "prj_a"
SECRET = secret_caller(PROJECT)


class FakeStore:
    def __init__(self) -> None:
        self.channels: dict[str, dict[str, ChannelSpec]] = {}

    async def definitions(self, project: str) -> dict[str, ChannelSpec]:
        return self.channels.get(project, {})

    async def put_definitions(self, project: str, channels: dict[str, ChannelSpec]) -> None:
        self.channels[project] = channels

    async def add_usage(self, _batch: Batch[None], sent: datetime) -> Receipt:
        return Receipt(sent, True)

    async def drop_project(self, project: str) -> None:
        self.channels.pop(project, None)


@asynccontextmanager
async def opened_buncast(channels: dict[str, ChannelSpec], **settings: Any) -> AsyncIterator[BuncastService]:
    service = BuncastService(cast(Any, FakeStore()), cast(Any, None), SystemClock(), BuncastSettings(**settings))
    try:
        await service.put_channels(SECRET, Channels(channels))
        yield service
    finally:
        await service.close()
