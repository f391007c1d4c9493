"""Open BunKMS, and declare it as a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bunbase.bunkms.master_key import load_master_key
from bunbase.bunkms.scopes import check_scope
from bunbase.bunkms.service import KmsService
from bunbase.bunkms.settings import KmsSettings
from bunbase.bunkms.store import KeyStore
from bunbase.contracts.bunkms import INSTANCE, Kms
from bunbase.pkg.db.database import open_database
from bunbase.pkg.modules import Module, Rooms, Site


@asynccontextmanager
async def open_bunkms(settings: KmsSettings, rooms: Rooms, site: Site) -> AsyncIterator[Kms]:
    master_key = load_master_key(settings, site.data_dir, site.dev)
    async with open_database(site.database_url, "bunkms", "bunbase.bunkms.migrations") as db:
        service = KmsService(KeyStore(db), master_key, site.clock)
        await service.prove_master_key()
        await service.create_keys(INSTANCE)
        yield service


MODULE = Module("bunkms", provides=Kms, needs=(), settings=KmsSettings, open=open_bunkms, scope=check_scope)
