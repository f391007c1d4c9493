"""What Platform does in the background: tell other rooms of deleted projects, forget what has passed."""

from __future__ import annotations

from typing import Any

from bunbase.contracts.bundoc import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions import Functions
from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.pkg.jobs import Job
from bunbase.pkg.modules import Rooms
from bunbase.platform.service import PlatformService
from bunbase.platform.store import PROJECT_DELETED, PlatformStore

RELAY_SECONDS = 5.0
FORGET_SECONDS = 600.0


def relay_job(store: PlatformStore, rooms: Rooms) -> Job:
    async def deliver(topic: str, payload: Any) -> None:
        if topic != PROJECT_DELETED:
            raise ValueError(f"nobody knows what to do with {topic}")
        project = payload["project"]
        await rooms[Kms].destroy(project)
        await rooms[TenantAuth].drop_project(project)
        await rooms[Functions].drop_project(project)
        await rooms[Bundoc].drop_project(project)

    async def relay() -> None:
        await store.outbox.relay(deliver)

    return Job("platform.relay", relay, RELAY_SECONDS)


def forget_job(service: PlatformService) -> Job:
    return Job("platform.forget", service.forget, FORGET_SECONDS)
