"""Opens and closes Functions: the module that the server starts."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.problems import FunctionsUnavailable
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.functions.assembly import assemble
from bunbase.functions.egress.opening import open_fetcher
from bunbase.functions.jobs import jobs_of
from bunbase.functions.routes import ROUTES
from bunbase.functions.routes.fast_routes import FAST_ROUTES
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store import Stores
from bunbase.functions.workers.starter import Starter
from bunbase.functions.workers.zygote import Zygote
from bunbase.pkg.bun import BunMissing, find_bun
from bunbase.pkg.db.database import open_database
from bunbase.pkg.errors import Problem
from bunbase.pkg.jobs import running
from bunbase.pkg.logger import logger
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.resolver import Resolver

log = logger("functions")

PREWARMED_IN_DEV: Final = 2
PREWARMED: Final = 8  # Each prewarmed worker takes 9 MB.


@asynccontextmanager
async def open_functions(settings: FunctionsSettings, rooms: Rooms, site: Site) -> AsyncIterator[FunctionsService]:
    async with open_database(site.database_url, "functions", "bunbase.functions.migrations") as db:
        # Tests provide their own resolver.
        fetcher = open_fetcher(settings, rooms.services.get(Resolver), site.public_url)
        if settings.prewarmed is None:
            settings = msgspec.structs.replace(settings, prewarmed=PREWARMED_IN_DEV if site.dev else PREWARMED)
        starter = Starter(Zygote(), bun_finder(), settings)
        service = assemble(Stores(db), rooms, fetcher, starter, site.clock, settings)
        await _log_confinement(starter)
        await service.prewarm()
        try:
            async with running(*jobs_of(service)):
                yield service
        finally:
            await _close(service)


def bun_finder() -> functools._lru_cache_wrapper[Path]:
    """Return a function that finds Bun.

    The returned function caches only a success, so Bun may be installed while the server runs.
    """

    @functools.cache
    def find() -> Path:
        try:
            return find_bun()
        except BunMissing as missing:
            raise FunctionsUnavailable(str(missing)) from None

    return find


async def _log_confinement(starter: Starter) -> None:
    """Log whether functions can run here, and which layers of the sandbox confine them."""
    try:
        starter.find_bun()
    except FunctionsUnavailable as missing:
        log.warning("functions cannot run", reason=missing.detail)
    sandbox = starter.sandbox
    if sandbox.off:
        log.warning("functions run without a sandbox (functions.sandbox = off): deploy only code that you trust")
        return
    try:
        await sandbox.confinement(0)
    except FunctionsUnavailable as refused:
        log.error("functions will not run", reason=refused.detail)
    else:
        layers = await sandbox.layers()
        log.info("functions are confined", layers=layers)
        if sandbox.max_cpus is not None and "cgroups" not in layers:
            log.warning("functions.max_cpus_per_worker has no effect; `bunbase doctor` shows why", layer="cgroups")


async def _close(service: FunctionsService) -> None:
    try:
        await service.close()
    except Problem as problem:
        log.warning("the last log lines of functions were lost", error=problem.detail)


MODULE = Module(
    "functions",
    provides=Functions,
    needs=(Kms, Bundoc, TenantAuth),
    calls=(Buncast,),
    settings=FunctionsSettings,
    open=open_functions,
    routes=ROUTES,
    fast_routes=FAST_ROUTES,
)
