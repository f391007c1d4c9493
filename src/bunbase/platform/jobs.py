"""What Platform does in the background: tell other rooms of deleted projects, forget what has passed."""

from __future__ import annotations

import asyncio
from typing import Any

from bunbase.contracts.bundoc import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions import Functions
from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.pkg.jobs import Job
from bunbase.pkg.modules import Rooms
from bunbase.platform.store import PROJECT_DELETED, PlatformStore

RELAY_SECONDS = 5.0


def relay_job(store: PlatformStore, rooms: Rooms) -> Job:
    async def deliver(topic: str, payload: Any) -> None:
        if topic != PROJECT_DELETED:
            raise ValueError(f"nobody knows what to do with {topic}")
        project = payload["project"]
        told = (
            rooms[Kms].destroy(project),
            rooms[TenantAuth].drop_project(project),
            rooms[Functions].drop_project(project),
            rooms[Bundoc].drop_project(project),
        )
        # one that is down must not keep the others from hearing; all of them hear it again then
        failures = [heard for heard in await asyncio.gather(*told, return_exceptions=True) if heard is not None]
        if failures:
            raise failures[0]

    async def relay() -> None:
        await store.outbox.relay(deliver)

    return Job("platform.relay", relay, RELAY_SECONDS)
