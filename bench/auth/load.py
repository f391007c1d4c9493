"""A program that sends requests from core LOAD_CORE, at a fixed rate or as fast as the server answers.

At a fixed rate, the latency of a request counts from the time at which the request is due. So if a server stops for a
second, all requests of this second are slow, even if the load generator sends them late.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.auth.servers import Call

LOAD_CORE: Final = "1"
LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
# At a fixed rate, answers that come this many seconds after the last request count as failed.
GRACE_SECONDS: Final = 10.0
MOST_WAITING: Final = 512  # At a fixed rate, at most this many requests wait. Further requests count as not answered.


class Stream(msgspec.Struct, frozen=True):
    """Requests of one kind. `rate`: requests per second; 0 means as fast as possible over `connections`.

    `token`: the member of an answer whose value replaces TOKEN in the next request. `first`: the first token, one for
    each connection.
    """

    name: str
    calls: tuple[Call, ...]
    rate: float = 0.0
    connections: int = 8
    token: str = ""
    first: tuple[str, ...] = ()


class Order(msgspec.Struct, frozen=True):
    url: str
    seconds: float
    streams: tuple[Stream, ...]


class Felt(msgspec.Struct, frozen=True):
    """The measurement of one stream. `rate`: answers per second. `p50`, `p99`, `worst`: latencies in milliseconds.

    `failed`: answers without 2xx.
    """

    rate: float
    p50: float
    p99: float
    worst: float
    failed: int


def felt(order: Order) -> dict[str, Felt]:
    """Return the measurement of each stream."""
    command = ["taskset", "-c", LOAD_CORE, sys.executable, "-m", "bench.auth.load"]
    done = subprocess.run(
        command, input=msgspec.json.encode(order), capture_output=True, check=True, cwd=Path(__file__).parents[2]
    )
    return msgspec.json.decode(done.stdout, type=dict[str, Felt])


class Connection:
    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port

    async def open(self) -> Connection:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        return self

    async def ask(self, request: bytes) -> tuple[bool, bytes]:
        """Send a request. Return whether the answer is 2xx, and the body of the answer."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        body = await self.reader.readexactly(int(length[1])) if length else b""
        return head[9:10] == b"2", body


class Running:
    def __init__(self, stream: Stream, url: str, seconds: float) -> None:
        place = urlsplit(url)
        self.stream, self.seconds = stream, seconds
        self.host, self.port = place.hostname or "127.0.0.1", place.port or 80
        self.requests = [one for call in stream.calls for one in laid_out(call)]
        self.waits: list[float] = []
        self.failed = 0

    async def run(self) -> Felt:
        began = time.perf_counter()
        await (self._at_a_rate(began) if self.stream.rate else self._as_fast_as_possible(began))
        took, waits = time.perf_counter() - began, sorted(self.waits) or [0.0]
        p50, p99 = (waits[int(len(waits) * share)] * 1e3 for share in (0.5, 0.99))
        return Felt(len(self.waits) / took, p50, p99, waits[-1] * 1e3, self.failed)

    async def _at_a_rate(self, began: float) -> None:
        free: deque[Connection] = deque()
        tasks: set[asyncio.Task[None]] = set()
        for number in range(int(self.seconds * self.stream.rate)):
            due = began + number / self.stream.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if len(tasks) >= MOST_WAITING:
                self.failed += 1
                continue
            task = asyncio.create_task(self._one(free, number, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
            self.failed += len(late)
            for task in late:
                task.cancel()

    async def _one(self, free: deque[Connection], number: int, due: float) -> None:
        connection = free.pop() if free else await Connection(self.host, self.port).open()
        self._note((await connection.ask(self.requests[number % len(self.requests)]))[0], due)
        free.append(connection)

    async def _as_fast_as_possible(self, began: float) -> None:
        await asyncio.gather(*(self._one_after_another(number, began) for number in range(self.stream.connections)))

    async def _one_after_another(self, number: int, began: float) -> None:
        connection = await Connection(self.host, self.port).open()
        token = self.stream.first[number] if self.stream.first else ""
        while (due := time.perf_counter()) < began + self.seconds:
            if token:
                good, body = await connection.ask(laid_out(self.stream.calls[0], token)[0])
                token = str(msgspec.json.decode(body)[self.stream.token])
            else:
                good, body = await connection.ask(self.requests[number % len(self.requests)])
                number += 1
            self._note(good, due)

    def _note(self, good: bool, due: float) -> None:
        self.failed += not good
        if good:
            self.waits.append(time.perf_counter() - due)


def laid_out(call: Call, token: str = "") -> list[bytes]:
    body = call.body.replace("TOKEN", token)
    headers = {**call.headers, "host": "bench", "content-length": str(len(body))}
    lines = "".join(f"{name}: {value.replace('TOKEN', token)}\r\n" for name, value in headers.items())
    return [f"{call.method} {path} HTTP/1.1\r\n{lines}\r\n{body}".encode() for path in call.paths]


async def main(order: Order) -> dict[str, Felt]:
    running = [Running(stream, order.url, order.seconds) for stream in order.streams]
    done = await asyncio.gather(*(one.run() for one in running))
    return {one.stream.name: answer for one, answer in zip(running, done, strict=True)}


if __name__ == "__main__":
    sent = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(main(sent))))
