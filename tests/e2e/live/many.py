"""Thousands of live connections in one process: sockets without a library, which count messages."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import time
from base64 import b64encode
from contextlib import suppress
from typing import Any, Final

FIRST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 10.0  # bunbase-js has the same value.
HELLO_SECONDS: Final = 45.0  # Each other silence of the server has the same limit.
SMALL_BUFFER: Final = 4 << 10  # A client that does not read has this buffer, so that it stalls early.
STATE: Final = re.compile(rb'"t":"(?:at|ping)","at":"([^"]+)"')
GROUP: Final = re.compile(rb'"t":"now","id":1,"g":"([^"]+)"')
AFTER: Final = re.compile(rb'"after_ms":(\d+)')


def frame(message: Any) -> bytes:
    """Return a masked text frame. The mask is zero, which the protocol allows."""
    data = json.dumps(message).encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + data


def taken(buffer: bytearray) -> bytes | None:
    """Take the payload of the first frame out of the buffer. Return None if it has not arrived as a whole."""
    if len(buffer) < 2:
        return None
    head, size = {126: (4, buffer[2:4]), 127: (10, buffer[2:10])}.get(buffer[1], (2, buffer[1:2]))
    end = head + int.from_bytes(size, "big")
    if len(buffer) < max(head, end):
        return None
    payload = bytes(buffer[head:end])
    del buffer[:end]
    return payload


def handshake(port: int) -> bytes:
    key = b64encode(os.urandom(16)).decode()
    return (
        f"GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: bunbase.live.v1\r\n\r\n"
    ).encode()


class Watcher:
    """A client with one query, which connects again by the rules of the protocol. `at`: its last barrier.

    `ids`: its result.
    """

    def __init__(self, port: int, key: str, query: dict[str, Any], ids: list[str]) -> None:
        self.port = port
        self.key = key
        self.query = query
        self.ids = ids
        self.at = b""
        self.at_since = 0.0  # The time is on the clock time.monotonic.
        self.group = b""
        self.tries = 0
        self.connects = 0
        self.doing = ""
        self.current = False  # True if the watcher has the result at a barrier of this connection.
        self.task = asyncio.create_task(self._live())

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _live(self) -> None:
        while True:
            after = 0.0
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                after = await self._connection()
            self.current = False
            self.doing += ", pausing"
            pause = random.uniform(0, min(MOST_SECONDS, FIRST_SECONDS * 2**self.tries))
            self.tries += 1
            await asyncio.sleep(after or pause)

    async def _connection(self) -> float:
        """Follow one connection until it ends. Return the seconds that the server asks to wait, or 0."""
        self.connects += 1
        self.doing = "connecting"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(handshake(self.port))
            async with asyncio.timeout(HELLO_SECONDS):
                answer = await reader.readuntil(b"\r\n\r\n")
            self.doing = answer.split(b"\r\n", 1)[0].decode()
            if " 101 " not in self.doing:
                return 0.0
            resume = {"at": self.at.decode(), "g": self.group.decode(), "have": self.ids} if self.at else {}
            writer.write(frame({"t": "auth", "key": self.key}))
            writer.write(frame({"t": "watch", "id": 1, "query": self.query, **resume}))
            rest = bytearray()
            while data := await reader.read(65536):
                rest += data
                while (text := taken(rest)) is not None:
                    if b'"t":"ping"' in text:
                        writer.write(frame({"t": "pong"}))
                    if found := GROUP.search(text):
                        self.group = found[1]
                    if states := STATE.findall(text):
                        self.at, self.current, self.tries = states[-1], True, 0
                        self.at_since = time.monotonic()
                    if (after := AFTER.search(text)) is not None:
                        return int(after[1]) / 1000
            return 0.0
        finally:
            writer.close()


def stalled_socket(port: int, key: str, query: dict[str, Any]) -> socket.socket:
    """Open a WebSocket that watches and then reads nothing."""
    opened = _connected(port)
    opened.sendall(handshake(port))
    opened.recv(2048)
    opened.sendall(frame({"t": "auth", "key": key}) + frame({"t": "watch", "id": 1, "query": query}))
    opened.recv(2048)
    return opened


def stalled_events(port: int, key: str, query: dict[str, Any]) -> socket.socket:
    """Open a stream of events that watches and then reads nothing."""
    opened, body = _connected(port), json.dumps({"send": [{"t": "watch", "id": 1, "query": query}]})
    opened.sendall(
        (
            f"POST /v1/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\nX-Bunbase-Key: {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
    )
    opened.recv(2048)
    return opened


def _connected(port: int) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    opened.settimeout(20)
    opened.connect(("127.0.0.1", port))
    return opened


async def all_current(watchers: list[Watcher], at: str, seconds: float) -> float:
    """Wait until each watcher has reached this state or a later state. Return the seconds that it took."""
    began, (epoch, _, seq) = time.monotonic(), at.partition(".")

    def stands(one: Watcher) -> bool:
        mine = one.at.decode().partition(".")
        return one.current and mine[0] == epoch and int(mine[2] or -1) >= int(seq)

    while late := [one for one in watchers if not stands(one)]:
        if time.monotonic() - began > seconds:
            shown = [(one.at, one.current, one.connects, one.tries, one.doing) for one in late[:10]]
            raise AssertionError(f"{len(late)} of {len(watchers)} clients are late: {shown}")
        await asyncio.sleep(0.1)
    return time.monotonic() - began
