"""Open the whole gateway with the real routes of every room; fakes stand in for the rooms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.buncast import Buncast, ChannelEvent
from bunbase.contracts.bundoc.documents import Page
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.invocations import Chunk, Head, Invocation
from bunbase.contracts.functions.problems import FunctionError, FunctionNotFound
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.platform import Platform
from bunbase.contracts.storage import BucketNotFound, Storage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.gateway.module import open_gateway
from bunbase.gateway.settings import GatewaySettings
from bunbase.house.modules import MODULES
from bunbase.pkg.modules import Rooms
from bunbase.pkg.ready import Readiness
from bunbase.pkg.usage.batches import Batch, Receipt
from tests.fakes import FakeKms
from tests.gateway.others import FakeBunAuth, FakePlatform, FakeTenantAuth
from tests.rooms import site

FOR_CACHES = (
    ("cache-control", "public, max-age=60"),
    ("cdn-cache-control", "max-age=60"),
    ("cloudflare-cdn-cache-control", "max-age=60"),
    ("surrogate-control", "max-age=60"),
    ("x-accel-expires", "60"),
    ("expires", "Sun, 29 Nov 2026 20:00:00 GMT"),
)
BUG = "a detail that nobody outside may see"


class FakeBundoc:
    """`list` records its Callers in `seen`; `create` raises KeyError, like a bug."""

    def __init__(self) -> None:
        self.seen: list[Caller] = []

    async def list(self, caller: Caller, collection: str, limit: int, cursor: str | None, *_: Any) -> Page:
        self.seen.append(caller)
        return Page(b'{"items":[],"next":null}')

    async def create(self, *_: Any) -> Any:
        raise KeyError(BUG)


class FakeBuncast:
    """A Buncast without any events."""

    async def deliver(self, _edge: str) -> AsyncIterator[tuple[ChannelEvent, ...]]:
        yield ()
        await asyncio.Event().wait()

    async def beat(self, _edge: str) -> None:
        """Do nothing."""

    async def add_live_usage(self, _batch: Batch[None], sent: datetime) -> Receipt:
        return Receipt(sent, True)


class FakeStorage:
    """A room without buckets. `tests/storage/whole` uses the real room."""

    async def read(self, *_: Any) -> AsyncIterator[Any]:
        await self.bucket()
        yield None

    async def bucket(self, *_: Any, **_named: Any) -> Any:
        raise BucketNotFound("There is no bucket.")

    async def files_key(self, *_: Any) -> None:
        """Return None, because a project without buckets has no key of files."""

    rotate_files_key = files_key
    buckets = create_bucket = update_bucket = delete_bucket = begin_upload = delete_object = delete_objects = bucket
    copy_object = objects = sign = stored = begin_resumable = resumable = begin_chunk = end_resumable = bucket


class FakeFunctions:
    async def sandbox_layers(self) -> tuple[str, ...]:
        return ()

    async def invoke(self, caller: Caller, name: str, invocation: Invocation) -> AsyncIterator[Head | Chunk]:
        """`echo` returns its request at once, `empty` answers 204, `sharing` sets CORS headers, `missing` is not found.

        Other names stream; `cached` and `cached-by-cdn` allow shared caches.
        """
        if name == "missing":
            raise FunctionNotFound("The project has no function missing.")
        if name == "failing":
            raise FunctionError("Its log has the details.", invocation="inv_1", version=2)
        if name == "empty":
            yield Head(204, (("x-own", "1"),), 1, "inv_1", 0.0, False, b"")
            return
        if name == "sharing":
            own = (("access-control-allow-origin", "https://only.example"), ("server-timing", "db;dur=5"))
            yield Head(200, own, 1, "inv_1", 0.0, False, b"shared")
            return
        if name == "echo":
            sent = [invocation.method, invocation.path, invocation.headers, invocation.body.decode("latin-1")]
            body = msgspec.json.encode([*sent, caller.kind, caller.user and caller.user.uid])
            headers = (("content-type", "application/json"), ("set-cookie", "a=1"), ("set-cookie", "b=2"))
            yield Head(201, headers, 1, "inv_1", 0.0, False, body)
            return
        cached = FOR_CACHES if name == "cached-by-cdn" else FOR_CACHES[:1] if name == "cached" else ()
        yield Head(200, (("content-type", "text/plain"), *cached), 1, "inv_1", 0.0, False)
        yield Chunk(f"{caller.kind} {caller.project}".encode())

    async def feed(self, *_: Any) -> None:
        """Accept no further parts of a body."""


@dataclass
class Door:
    http: httpx.AsyncClient
    bunauth: FakeBunAuth
    platform: FakePlatform
    tenant_auth: FakeTenantAuth
    bundoc: FakeBundoc
    checks: dict[str, Any] = field(default_factory=dict)


@asynccontextmanager
async def door_of(
    settings: GatewaySettings | None = None, peer: str = "127.0.0.1", mode: str = "dev"
) -> AsyncIterator[Door]:
    bunauth, platform, tenant_auth, bundoc = FakeBunAuth(), FakePlatform(), FakeTenantAuth(), FakeBundoc()
    rooms = Rooms(
        {
            BunAuth: bunauth,
            Platform: platform,
            TenantAuth: tenant_auth,
            Bundoc: bundoc,
            Buncast: FakeBuncast(),
            Storage: FakeStorage(),
            Functions: FakeFunctions(),
            Kms: FakeKms(),
        }
    )
    readiness = Readiness({})
    where = replace(site(Path("unused")), mode=mode)
    async with open_gateway(settings or GatewaySettings(), rooms, where, MODULES, readiness) as app:
        transport = httpx.ASGITransport(cast(Any, app), client=(peer, 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield Door(http, bunauth, platform, tenant_auth, bundoc, cast(dict[str, Any], readiness.own.checks))
