"""A load generator for machines without wrk: an order as JSON on stdin, requests a second on stdout."""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
import time
from functools import partial

import msgspec
import uvloop

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """Sends the next request when an answer is whole; `answered` counts."""

    def __init__(self, requests: list[bytes], start: int) -> None:
        self.requests = itertools.islice(itertools.cycle(requests), start, None)
        self.answered = 0
        self.failed = 0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = LENGTH.search(self.buffer, 0, head)
        if length is None or len(self.buffer) < head + 4 + int(length[1]):
            return
        self.answered += 1
        self.failed += self.buffer[9:10] != b"2"
        self.buffer = b""
        self.transport.write(next(self.requests))


class Order(msgspec.Struct):
    host: str
    port: int
    requests: list[str]
    seconds: float
    connections: int


async def main(order: Order) -> float:
    requests = [one.encode() for one in order.requests]
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    connections = []
    for number in range(order.connections):
        made = await loop.create_connection(partial(Connection, requests, number), order.host, order.port)
        connections.append(made[1])
    await asyncio.sleep(order.seconds)
    if any(connection.failed for connection in connections):
        raise SystemExit("some answers were not 2xx")
    return sum(connection.answered for connection in connections) / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.stdout.write(f"{uvloop.run(main(msgspec.json.decode(sys.stdin.buffer.read(), type=Order)))}\n")
