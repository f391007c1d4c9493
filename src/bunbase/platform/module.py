"""Open Platform, and declare it as a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.platform import Platform
from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.pkg.db.database import open_database
from bunbase.pkg.jobs import running
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.upkeep import upkeep_job
from bunbase.platform.jobs import relay_job
from bunbase.platform.routes import ROUTES
from bunbase.platform.service import PlatformService
from bunbase.platform.service_accounts.routes import ROUTES as SERVICE_ACCOUNT_ROUTES
from bunbase.platform.settings import PlatformSettings
from bunbase.platform.store import PlatformStore


@asynccontextmanager
async def open_platform(settings: PlatformSettings, rooms: Rooms, site: Site) -> AsyncIterator[Platform]:
    async with open_database(site.database_url, "platform", "bunbase.platform.migrations") as db:
        store = PlatformStore(db, site.clock, settings.max_keys_per_project)
        relay = relay_job(store, rooms)
        service = PlatformService(store, rooms[Kms], site.clock, settings, site.public_url, relay.nudge)

        async def delete_expired(before: datetime) -> None:
            await store.delete_expired_keys(before)
            await service.accounts.store.delete_old_assertions(before)

        async with running(relay, upkeep_job("platform", store.feed, delete_expired, site.clock)):
            yield service


MODULE = Module(
    "platform",
    provides=Platform,
    needs=(Kms, TenantAuth, Bundoc, Functions),
    settings=PlatformSettings,
    open=open_platform,
    routes=(*ROUTES, *SERVICE_ACCOUNT_ROUTES),
)
