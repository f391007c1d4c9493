"""A program that sends prepared requests from core LOAD_CORE, each connection one after the other.

It reads an Order as JSON from stdin and writes a Measured to stdout. It reads bodies without keeping them, so that it
is a smaller bottleneck than an SDK.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.data.load import LOAD_CORE
from bench.storage.signing import Shot

LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
CONNECTIONS: Final = 16
GRACE_SECONDS: Final = 60.0
MAX_HEAD: Final = 64 << 10


class Order(msgspec.Struct, frozen=True):
    """`most`: the number of requests, or 0 to send as many as fit into `seconds`."""

    url: str
    shots: tuple[Shot, ...]
    seconds: float
    connections: int = CONNECTIONS
    most: int = 0


class Measured(msgspec.Struct, frozen=True):
    """`rate`: answers a second. `p50`, `p95`, `p99`: milliseconds. `busy`: the processor time of the load generator,
    divided by the time: near 1, the load generator was the bottleneck.
    """

    answered: int
    rate: float
    p50: float
    p95: float
    p99: float
    busy: float


def measured(order: Order) -> Measured:
    """Run one round. Raises: subprocess.CalledProcessError if an answer was not 2xx."""
    return msgspec.json.decode(run_pinned("bench.storage.load", msgspec.json.encode(order)), type=Measured)


def run_pinned(module: str, order: bytes, seconds: float = 600.0) -> bytes:
    """Return what a program prints that runs on the core of the load, with the order as its input."""
    done = subprocess.run(
        ["taskset", "-c", LOAD_CORE, sys.executable, "-m", module],
        input=order,
        stdout=subprocess.PIPE,
        check=True,
        cwd=Path(__file__).parents[2],
        timeout=seconds,
    )
    return done.stdout


class Connection(asyncio.Protocol):
    """Sends the next request when an answer is complete. `waits`: the latencies in seconds."""

    def __init__(self, shots: Iterator[Shot], end: float, body: bytes) -> None:
        self.shots = shots
        self.end = end
        self.body = memoryview(body)
        self.waits: list[float] = []
        self.head = b""
        self.left = 0
        self.in_body = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transport is not a subclass of this type.
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        if not self.in_body:
            data = self._read_head(data)
        if self.in_body:
            self.left -= len(data)
            if self.left <= 0:
                self.waits.append(time.perf_counter() - self.sent)
                self._send()

    def _read_head(self, data: bytes) -> bytes:
        self.head += data
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            if len(self.head) > MAX_HEAD:
                self._fail("the head is too large")
            return b""
        length = LENGTH.search(self.head, 0, end)
        if self.head[9:10] != b"2" or length is None:
            self._fail(f"the answer was {self.head[:600]!r}")
            return b""
        self.in_body, self.left = True, int(length[1])
        return self.head[end + 4 :]

    def _send(self) -> None:
        self.head, self.in_body = b"", False
        shot = None if time.perf_counter() >= self.end else next(self.shots, None)
        if shot is None:
            if not self.done.done():
                self.done.set_result(None)
            self.transport.close()
            return
        self.sent = time.perf_counter()
        self.transport.write(shot.head)
        if shot.body:
            self.transport.write(self.body[: shot.body])

    def _fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(reason))
        self.transport.abort()


async def run(order: Order) -> Measured:
    place = urlsplit(order.url)
    host, port = place.hostname or "127.0.0.1", place.port or 80
    body = bytes(range(256)) * (max(shot.body for shot in order.shots) // 256 + 1)
    shots: Any = itertools.cycle(order.shots)
    if order.most:
        shots = itertools.islice(shots, order.most)
    loop, began, worked = asyncio.get_running_loop(), time.perf_counter(), time.process_time()
    make = partial(Connection, shots, began + order.seconds, body)
    made = [(await loop.create_connection(make, host, port))[1] for _ in range(order.connections)]
    async with asyncio.timeout(order.seconds + GRACE_SECONDS):
        await asyncio.gather(*(connection.done for connection in made))
    took = time.perf_counter() - began
    waits = sorted(itertools.chain.from_iterable(connection.waits for connection in made))
    p50, p95, p99 = (waits[int(len(waits) * share)] * 1e3 for share in (0.5, 0.95, 0.99))
    return Measured(len(waits), len(waits) / took, p50, p95, p99, (time.process_time() - worked) / took)


if __name__ == "__main__":
    sent = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run(sent))))
