"""Background work of Platform: tell the other rooms about deleted projects, and destroy projects after 7 days."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.storage import Storage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.jobs import Job
from bunbase.pkg.modules import Rooms
from bunbase.platform.store import Stores
from bunbase.platform.store.projects import PROJECT_DESTROYED, PROJECT_STOPPED_OR_RESUMED

RELAY_SECONDS = 5.0
DESTROY_SECONDS = 60.0


def relay_job(stores: Stores, rooms: Rooms) -> Job:
    async def deliver(topic: str, payload: Any) -> None:
        if topic == PROJECT_DESTROYED:
            await _tell_of_end(payload["project"], rooms)
        elif topic == PROJECT_STOPPED_OR_RESUMED:
            await _stop_or_resume(payload["project"], stores, rooms[Functions])
        else:
            raise ValueError(f"unknown topic {topic}")

    async def relay() -> None:
        await stores.outbox.relay(deliver)

    return Job("platform.relay", relay, RELAY_SECONDS)


def destroy_job(destroy_overdue: Callable[[], Awaitable[None]]) -> Job:
    return Job("platform.destroy", destroy_overdue, DESTROY_SECONDS)


async def _tell_of_end(project: str, rooms: Rooms) -> None:
    told = (
        rooms[Kms].destroy(project),
        rooms[TenantAuth].drop_project(project),
        rooms[Functions].drop_project(project),
        rooms[Bundoc].drop_project(project),
        rooms[Buncast].drop_project(project),
        rooms[Storage].drop_project(project),
    )
    # the failure of one room must not stop the calls to others; after a failure, the outbox calls all rooms again
    failures = [heard for heard in await asyncio.gather(*told, return_exceptions=True) if heard is not None]
    if failures:
        raise failures[0]


async def _stop_or_resume(project: str, stores: Stores, functions: Functions) -> None:
    """Tell Functions whether the project is stopped now.

    The event does not contain this state, because it could be out of date: a project may be deleted and restored before
    the first event is delivered, and events may arrive in another order.
    """
    stopped = await stores.projects.is_stopped(project)
    if stopped is not None:
        await functions.pause_project(project, stopped)
