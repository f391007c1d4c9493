"""A program on core LOAD_CORE with many listening sockets and one writer.

The program reads an Order and prints Heard.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
import uvloop

from bench.live.servers import Feed

LOAD_CORE: Final = "1"
OPEN_SECONDS: Final = 120.0
GRACE_SECONDS: Final = 20.0
OPENING: Final = 64  # This many sockets open at the same time.
MARK: Final = re.compile(rb'"mark":"m(\d+)"')


class Order(msgspec.Struct, frozen=True):
    """`gap`: the seconds between two writes. `warm`: the number of writes before the measured writes."""

    url: str
    feed: Feed
    sockets: int
    writes: int
    gap: float
    warm: int = 3


class Heard(msgspec.Struct, frozen=True):
    """`p50`, `p99`: milliseconds from the moment before a write is sent until a socket has its message.

    `write_ms`: the median time of a write. `delivered`: the number of messages that arrived; `wanted`: the number that
    should arrive.
    """

    p50: float
    p99: float
    write_ms: float
    delivered: int
    wanted: int
    bytes: int


class Listener(asyncio.Protocol):
    """One socket. The socket records the time at which each mark arrives."""

    def __init__(self, feed: Feed, arrivals: list[list[float]], subscribe: Any) -> None:
        self.feed = feed
        self.arrivals = arrivals
        self.subscribe = subscribe
        self.rest = b""
        self.seen = -1
        self.bytes = 0
        self.ready = asyncio.get_running_loop().create_future()
        self.step = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.feed.hello.encode("latin-1"))

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.bytes += len(data)
        if not self.ready.done():
            self._begin(data)
            return
        for found in MARK.finditer(self.rest + data):
            number = int(found[1])
            if number > self.seen:
                self.seen = number
                self.arrivals[number].append(now)
        self.rest = (self.rest + data)[-40:]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"closed after step {self.step}: {self.rest[-300:]!r}"))

    def _begin(self, data: bytes) -> None:
        self.rest += data
        while not self.ready.done() and self.feed.steps[self.step][0].encode() in self.rest:
            _, answer = self.feed.steps[self.step]
            self.step += 1
            if answer.startswith("POST "):
                found = re.search(self.feed.id_in.encode(), self.rest)
                assert found is not None
                self.subscribe(answer.replace("{id}", found[1].decode()), self.ready)
                self.step -= 1
                self.rest = b""
                return
            self.rest = b""
            self.transport.write(answer.encode("latin-1"))
            if self.step == len(self.feed.steps):
                self.ready.set_result(None)


async def heard_by(order: Order, at_start: Any, at_end: Any) -> Heard:
    parts, feed = urlsplit(order.url), order.feed
    arrivals: list[list[float]] = [[] for _ in range(order.warm + order.writes)]
    limits = httpx.Limits(max_connections=OPENING)
    async with httpx.AsyncClient(base_url=order.url, timeout=60, limits=limits, trust_env=False) as http:
        tasks: set[asyncio.Task[None]] = set()

        def subscribe(request: str, ready: asyncio.Future[None]) -> None:
            async def post() -> None:
                method, path, body = request.split(" ", 2)
                headers = {"content-type": "application/json"}
                answer = await http.request(method, path, content=body, headers=headers)
                answer.raise_for_status()
                ready.set_result(None)

            tasks.add(asyncio.create_task(post()))

        loop, listeners = asyncio.get_running_loop(), list[Listener]()
        gate = asyncio.Semaphore(OPENING)

        async def open_one() -> None:
            async with gate:
                _, listener = await loop.create_connection(
                    lambda: Listener(feed, arrivals, subscribe), parts.hostname or "", parts.port or 0
                )
                await asyncio.wait_for(listener.ready, OPEN_SECONDS)
                listeners.append(listener)

        await asyncio.gather(*(open_one() for _ in range(order.sockets)))
        began, took = [0.0] * len(arrivals), list[float]()
        for number in range(len(arrivals)):
            if number == order.warm:
                await _all_there(arrivals[:number], order.sockets)
                for listener in listeners:
                    listener.bytes = 0
                at_start()
            began[number] = time.perf_counter()
            body = feed.body.replace("MARK", f"m{number}")
            answer = await http.request(feed.method, feed.path, content=body, headers=feed.headers)
            answer.raise_for_status()
            took.append(time.perf_counter() - began[number])
            await asyncio.sleep(max(0.0, began[number] + order.gap - time.perf_counter()))
        await _all_there(arrivals, order.sockets)
        at_end()
    late = [(one - began[number]) * 1000 for number in range(order.warm, len(arrivals)) for one in arrivals[number]]
    cuts = quantiles(late, n=100) if len(late) > 1 else [0.0] * 99
    size = sum(listener.bytes for listener in listeners)
    wanted = order.sockets * order.writes
    return Heard(cuts[49], cuts[98], sorted(took)[len(took) // 2] * 1000, len(late), wanted, size)


async def _all_there(arrivals: list[list[float]], sockets: int) -> None:
    """Wait until every socket has every message, up to a deadline."""
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            while any(len(one) < sockets for one in arrivals):
                await asyncio.sleep(0.01)


def listen(order: Order, at_start: Any, at_end: Any) -> Heard:
    """Run the load in another process.

    `at_start` and `at_end` are called when the measured writes begin and have ended.
    """
    command = ["taskset", "-c", LOAD_CORE, sys.executable, "-m", "bench.live.load"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        load.stdin.write(msgspec.json.encode(order) + b"\n")
        load.stdin.flush()
        for line in load.stdout:
            match line:
                case b"start\n":
                    at_start()
                case b"end\n":
                    at_end()
                case _:
                    return msgspec.json.decode(line, type=Heard)
    raise RuntimeError("the load has failed")


def main() -> None:
    def tell(word: str) -> None:
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()

    order = msgspec.json.decode(sys.stdin.readline(), type=Order)
    found = uvloop.run(heard_by(order, lambda: tell("start"), lambda: tell("end")))
    tell(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main()
