"""A load generator for machines without wrk.

This program reads an Order as JSON from stdin and writes a Measured to stdout.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
import time
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.data.work import Requests

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """A connection that sends the next request when an answer is complete. `waits`: the latencies in seconds."""

    def __init__(self, requests: list[bytes], start: int) -> None:
        self.requests = itertools.islice(itertools.cycle(requests), start % len(requests), None)
        self.waits: list[float] = []
        self.failed = 0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transport is not a subclass of this type.
        self._send()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = LENGTH.search(self.buffer, 0, head)
        if length is None or len(self.buffer) < head + 4 + int(length[1]):
            return
        self.waits.append(time.perf_counter() - self.sent)
        self.failed += self.buffer[9:10] != b"2"
        self.buffer = b""
        self._send()

    def _send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(next(self.requests))


class Order(msgspec.Struct):
    url: str
    requests: Requests
    seconds: float
    connections: int


async def main(order: Order) -> str:
    place = urlsplit(order.url)
    host, port = place.hostname or "127.0.0.1", place.port or 80
    requests = _laid_out(order.requests)
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    connections = []
    for number in range(order.connections):
        made = await loop.create_connection(partial(Connection, requests, number), host, port)
        connections.append(made[1])
    await asyncio.sleep(order.seconds)
    took = time.perf_counter() - began
    if any(connection.failed for connection in connections):
        raise SystemExit("some answers were not 2xx")
    waits = sorted(itertools.chain.from_iterable(connection.waits for connection in connections))
    p50, p99 = (waits[int(len(waits) * share)] * 1000 for share in (0.5, 0.99))
    return json.dumps({"answered": len(waits), "rate": len(waits) / took, "p50": p50, "p99": p99})


def _laid_out(requests: Requests) -> list[bytes]:
    headers = {**requests.headers, "host": "bench"}
    if requests.body:
        headers["content-length"] = str(len(requests.body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return [
        f"{requests.method} {address} HTTP/1.1\r\n{lines}\r\n{requests.body}".encode() for address in requests.addresses
    ]


if __name__ == "__main__":
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.write(f"measured {uvloop.run(main(order))}\n")
