"""How Bundoc opens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bunbase.bundoc.collection_routes import ROUTES as COLLECTION_ROUTES
from bunbase.bundoc.fast_routes import FAST_ROUTES
from bunbase.bundoc.jobs import tend_job
from bunbase.bundoc.query_routes import ROUTES as QUERY_ROUTES
from bunbase.bundoc.routes import ROUTES
from bunbase.bundoc.rule_routes import ROUTES as RULE_ROUTES
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.engine import open_sqlite_engine
from bunbase.contracts.bundoc import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.pkg.jobs import running
from bunbase.pkg.modules import Module, Rooms, Site


@asynccontextmanager
async def open_bundoc(settings: BundocSettings, rooms: Rooms, site: Site) -> AsyncIterator[Bundoc]:
    async with open_sqlite_engine(site.data_dir / "bundoc", rooms[Kms], site.clock, settings) as engine:
        service = BundocService(engine, dev=site.dev, max_scan=settings.max_scan, clock=site.clock)
        async with running(tend_job(service)):
            yield service


MODULE = Module(
    "bundoc",
    provides=Bundoc,
    needs=(Kms,),
    settings=BundocSettings,
    open=open_bundoc,
    routes=(*ROUTES, *QUERY_ROUTES, *COLLECTION_ROUTES, *RULE_ROUTES),
    fast_routes=FAST_ROUTES,
    needs_database=False,
)
