"""Open the gateway before a real Platform. Bundoc and BunKMS are fakes; Bundoc records its callers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunauth.tokens import Jwks
from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.platform import NewProject, Platform
from bunbase.contracts.storage import Storage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.gateway.module import open_gateway
from bunbase.gateway.settings import GatewaySettings
from bunbase.house.modules import MODULES
from bunbase.pkg.modules import Rooms
from bunbase.pkg.ready import Readiness
from bunbase.platform.module import MODULE
from bunbase.platform.service import PlatformService
from tests.fakes import FakeKms
from tests.gateway.door import FakeBuncast, FakeBundoc, FakeFunctions, FakeStorage
from tests.gateway.others import FakeBunAuth, FakeTenantAuth
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA
from tests.rooms import opened, site

TOKEN = "/v1/auth/token"


class PublishedKeys(FakeTenantAuth):
    """Publishes the public keys of projects in BunKMS, as tenant-auth does."""

    def __init__(self, kms: FakeKms) -> None:
        super().__init__()
        self.kms = kms

    async def jwks(self, project: str) -> Jwks:
        keys = await self.kms.public_keys(project)
        return Jwks(tuple(key.jwk() for key in keys))


@dataclass
class FrontDoor:
    http: httpx.AsyncClient
    transport: httpx.ASGITransport
    platform: PlatformService
    bundoc: FakeBundoc
    kms: FakeKms
    project: NewProject
    other: NewProject

    async def ask(self, **form: str) -> httpx.Response:
        return await self.http.post(TOKEN, data={"grant_type": "client_credentials"} | form)

    async def list_posts(self, token: str, **headers: str) -> httpx.Response:
        return await self.http.get("/v1/data/posts", headers={"authorization": f"Bearer {token}"} | headers)


@asynccontextmanager
async def front_door(tmp_path: Path, database_url: str) -> AsyncIterator[FrontDoor]:
    others, bundoc, where = FakeRooms(), FakeBundoc(), site(tmp_path, database_url)
    async with opened(MODULE, others.rooms(), where) as platform:
        rooms = Rooms(
            {
                BunAuth: FakeBunAuth(),
                Platform: platform,
                TenantAuth: PublishedKeys(others.kms),
                Bundoc: bundoc,
                Buncast: FakeBuncast(),
                Storage: FakeStorage(),
                Functions: FakeFunctions(),
                Kms: others.kms,
            }
        )
        async with open_gateway(GatewaySettings(), rooms, where, MODULES, Readiness({})) as app:
            transport = httpx.ASGITransport(cast(Any, app), client=("127.0.0.1", 50000))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
                project = await platform.create_project(ADA, "Bakery")
                other = await platform.create_project(ADA, "Library")
                yield FrontDoor(http, transport, platform, bundoc, others.kms, project, other)
