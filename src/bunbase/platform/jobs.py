"""Background work of Platform: tell the other rooms about deleted projects."""

from __future__ import annotations

import asyncio
from typing import Any

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.pkg.jobs import Job
from bunbase.pkg.modules import Rooms
from bunbase.platform.store import PROJECT_DELETED, PlatformStore

RELAY_SECONDS = 5.0


def relay_job(store: PlatformStore, rooms: Rooms) -> Job:
    async def deliver(topic: str, payload: Any) -> None:
        if topic != PROJECT_DELETED:
            raise ValueError(f"unknown topic {topic}")
        project = payload["project"]
        told = (
            rooms[Kms].destroy(project),
            rooms[TenantAuth].drop_project(project),
            rooms[Functions].drop_project(project),
            rooms[Bundoc].drop_project(project),
        )
        # a room that is down must not stop the calls to the other rooms; after a failure, all rooms are called again
        failures = [heard for heard in await asyncio.gather(*told, return_exceptions=True) if heard is not None]
        if failures:
            raise failures[0]

    async def relay() -> None:
        await store.outbox.relay(deliver)

    return Job("platform.relay", relay, RELAY_SECONDS)
