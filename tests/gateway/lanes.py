"""Serve the gateway on a real socket before a real Bundoc, with the fast lane or without it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import msgspec

from bunbase.bundoc.module import MODULE as BUNDOC
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.platform import Platform
from bunbase.contracts.storage import Storage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.gateway.fast_lane import FastLane
from bunbase.gateway.hot_routes import HotRequest, HotRoutes
from bunbase.gateway.lane import Lane
from bunbase.gateway.live.door import LiveDoor
from bunbase.gateway.live.openings import Opening, Openings
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.module import open_gateway
from bunbase.gateway.settings import GatewaySettings
from bunbase.house.modules import MODULES
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms
from bunbase.pkg.ready import Readiness
from bunbase.pkg.serve import listen, serving
from tests.fakes import FakeKms
from tests.gateway.door import FakeBuncast, FakeFunctions, FakeStorage
from tests.gateway.others import SECRET, FakeBunAuth, FakePlatform, FakeTenantAuth
from tests.rooms import opened, site

ANSWER_SECONDS = 10
REQUEST_ID = re.compile(rb"req_[0-9a-z]{26}")
EPOCH = re.compile(rb"\b[0-9a-f]{12}\.")
NEW_ID = re.compile(rb"[0-9a-z]{26}")
KEY = f"x-bunbase-key: {SECRET}"


class CountingHot(HotRoutes):
    """`taken`: the number of requests that the fast lane has taken."""

    taken = 0

    def request(self, method: bytes, url: bytes, sent: Sequence[tuple[bytes, bytes]]) -> HotRequest | None:
        request = super().request(method, url, sent)
        self.taken += request is not None
        return request


class CountingOpenings(Openings):
    """`taken`: the number of requests for WebSockets that the fast lane has taken."""

    taken = 0

    def opening(self, method: bytes, url: bytes, sent: Sequence[tuple[bytes, bytes]], peer: str) -> Opening | None:
        opening = super().opening(method, url, sent, peer)
        self.taken += opening is not None
        return opening


@dataclass
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return dict(self.headers).get(name, "")

    def settled(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return status, headers and body without the parts that differ in every answer."""
        said = [
            (name, EPOCH.sub(b"EPOCH.", NEW_ID.sub(b"ID", value.encode())).decode())
            for name, value in self.headers
            if name not in ("date", "x-request-id", "server-timing")
        ]
        return self.status, sorted(said), EPOCH.sub(b"EPOCH.", NEW_ID.sub(b"ID", REQUEST_ID.sub(b"REQ", self.body)))


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self, to_head: bool = False) -> Reply:
        """Return the next answer. `to_head`: the answer has no body, even if it has a Content-Length."""
        async with asyncio.timeout(ANSWER_SECONDS):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines[1:] if line)]
            status = int(lines[0].split(" ")[1])
            length = 0 if to_head or status in (204, 304) else int(dict(headers).get("content-length", 0))
            return Reply(status, headers, await self.reader.readexactly(length))

    async def ask(self, line: str, *headers: str, body: bytes = b"") -> Reply:
        self.send(request(line, *headers, body=body))
        return await self.reply(to_head=line.startswith("HEAD "))

    async def ended(self) -> bytes:
        """Return all bytes that arrive until the server closes the connection."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self.reader.read()

    def close(self) -> None:
        self.writer.close()


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{line} HTTP/1.1", "host: test", *headers]
    if body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@dataclass
class Served:
    address: tuple[str, int]
    lane: Lane | None
    hot: CountingHot
    openings: CountingOpenings
    service: Any
    platform: FakePlatform
    tenant_auth: FakeTenantAuth

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection(*self.address)
        connection = Connection(reader, writer)
        try:
            yield connection
        finally:
            connection.close()

    async def warm(self) -> None:
        """Store a first document, so that the project's file is open and its key is cached."""
        async with self.connected() as connection:
            reply = await connection.ask("PUT /v1/data/posts/d1", KEY, body=b'{"a":1}')
            assert reply.status == 201, reply


@asynccontextmanager
async def served(directory: Path, settings: GatewaySettings | None = None, **changed: Any) -> AsyncIterator[Served]:
    """Serve the gateway.

    `changed` may hold `bundoc`, `functions` and `storage` (stand-ins), `functions_host` (the wildcard of the projects'
    hosts), `live` (the settings of live connections), and fields of Limits that replace those of the settings.
    """
    settings, kms = settings or GatewaySettings(), FakeKms()
    where = replace(site(directory, clock=ManualClock()), functions_host=changed.pop("functions_host", ""))
    async with opened(BUNDOC, Rooms({Kms: kms}), where) as real:
        service = changed.pop("bundoc", real)
        platform, tenant_auth = FakePlatform(), FakeTenantAuth()
        rooms = Rooms({BunAuth: FakeBunAuth(), Platform: platform, TenantAuth: tenant_auth, Bundoc: service})
        rooms.add(Functions, changed.pop("functions", None) or FakeFunctions())
        rooms.add(Kms, kms)
        rooms.add(Buncast, FakeBuncast())
        rooms.add(Storage, changed.pop("storage", None) or FakeStorage())
        live = changed.pop("live", LiveSettings())
        async with open_gateway(settings, rooms, where, MODULES, Readiness({}), live) as door:
            lane: Lane | None = door.serving["protocol"].args[0] if settings.fast_lane else None
            hot = CountingHot([], settings.max_body_bytes)
            openings = CountingOpenings(lane.openings.door if lane else cast(LiveDoor, None))
            if lane is not None:
                lane.openings = openings
                assert door.serving["protocol"].func is FastLane
                hot.by_method, hot.welcome, lane.hot = lane.hot.by_method, lane.hot.welcome, hot
            door.serving["limits"] = msgspec.structs.replace(door.serving["limits"], **changed)
            async with serving(door, listen("127.0.0.1", 0), **door.serving) as url:
                port = int(url.rpartition(":")[2])
                yield Served(("127.0.0.1", port), lane, hot, openings, service, platform, tenant_auth)
