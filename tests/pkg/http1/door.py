"""A server with small limits, an app that records its requests, and clients for difficult connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bunbase.pkg.errors import Problem
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.serve import listen, serving

SECONDS = 10.0
LARGE = 6 << 20


@dataclass
class App:
    """An app whose behaviour depends on the path. `met` records how each request ended.

    `/read` reads the body, `/early` answers without reading the body, `/wait` waits for `go_on` first. `/silent` limits
    only the silence of its body, and `/own` turns the time limit off. `/large` sends LARGE bytes, and `/stream` sends
    more bytes in parts. `/parts` sends two parts without a length. `/broken` sends one part and then fails.
    """

    met: list[Any] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    begun: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    silence: Problem | None = None
    silence_seconds: float = 0.2

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        try:
            await self._answer(scope, receive, send)
            self.met.append("ok")
        except Problem as problem:
            self.met.append(problem.code)
            await respond(send, problem.status, problem.code.encode())
        except asyncio.CancelledError:
            self.met.append("cancelled")
            raise

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        match scope["path"]:
            case "/early":
                await respond(send, 413, b"too large")
                return
            case "/large":
                await respond(send, 200, bytes(LARGE))
                return
            case "/stream":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                for _ in range(2000):
                    await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
            case "/parts" | "/broken":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"one,", "more_body": True})
                if scope["path"] == "/parts":
                    await send({"type": "http.response.body", "body": b"two"})
                return
            case "/wait":
                await self.go_on.wait()
            case "/silent":
                assert self.silence is not None
                incoming(scope).may_be_silent(self.silence_seconds, self.silence)
            case "/own":
                incoming(scope).keeps_own_time()
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        await respond(send, 200, b"read %d" % len(body))


async def respond(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Port:
    app: App
    number: int

    @asynccontextmanager
    async def connected(self, source: str = "127.0.0.1") -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number, local_addr=(source, 0))
        try:
            yield Client(reader, writer)
        finally:
            writer.close()


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, line: str, *headers: str, body: bytes = b"", version: str = "1.1") -> None:
        head = "\r\n".join((f"{line} HTTP/{version}", "host: test", *headers))
        self.writer.write(head.encode() + b"\r\n\r\n" + body)

    async def status(self) -> int:
        """Read the next answer with its body. Return its status."""
        async with asyncio.timeout(SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            await self.reader.readexactly(length)
            return int(head.split(b" ")[1])

    async def rest(self) -> bytes:
        """Return all bytes that arrive until the server closes the connection."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read()


@asynccontextmanager
async def port(app: App | None = None, **limits: Any) -> AsyncIterator[Port]:
    app = app or App()
    async with serving(app, listen("127.0.0.1", 0), Limits(**limits)) as url:
        yield Port(app, int(url.rpartition(":")[2]))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.005)
