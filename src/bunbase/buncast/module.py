"""Open Buncast, and declare it as a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bunbase.buncast.jobs import deciding_jobs, leases_job, members_job, trim_job, usage_jobs
from bunbase.buncast.routes import ROUTES
from bunbase.buncast.service import BuncastService
from bunbase.buncast.settings import BuncastSettings
from bunbase.buncast.store import ChannelStore
from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.pkg.db.database import open_database
from bunbase.pkg.jobs import running
from bunbase.pkg.modules import Module, Rooms, Site


@asynccontextmanager
async def open_buncast(settings: BuncastSettings, rooms: Rooms, site: Site) -> AsyncIterator[Buncast]:
    async with open_database(site.database_url, "buncast", "bunbase.buncast.migrations") as db:
        service = BuncastService(ChannelStore(db), rooms[Bundoc], site.clock, settings, site.dev)
        jobs = (members_job(service), leases_job(service), trim_job(service))
        async with running(*jobs, *deciding_jobs(service), *usage_jobs(service)):
            try:
                yield service
            finally:
                await service.close()


MODULE = Module(
    "buncast",
    provides=Buncast,
    needs=(Bundoc,),
    settings=BuncastSettings,
    open=open_buncast,
    routes=ROUTES,
)
