"""A program that sends or receives HUGE bytes over one connection, without an SDK, from core LOAD_CORE.

It reads an Order as JSON from stdin and writes the seconds to stdout.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from typing import Final
from urllib.parse import urlsplit

import msgspec

from bench.storage.load import run_pinned
from bench.storage.signing import Shot

PIECE: Final = 1 << 20
SILENCE_SECONDS: Final = 60.0
LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Order(msgspec.Struct, frozen=True):
    url: str
    shot: Shot


def streamed(order: Order) -> float:
    """Return the seconds. Raises: subprocess.CalledProcessError if the answer was not 2xx."""
    return float(run_pinned("bench.storage.streams", msgspec.json.encode(order)))


def main(order: Order) -> float:
    place = urlsplit(order.url)
    piece = memoryview(bytearray(PIECE))
    with socket.create_connection((place.hostname, place.port), SILENCE_SECONDS) as connection:
        began = time.perf_counter()
        connection.sendall(order.shot.head)
        left = order.shot.body
        while left:
            connection.sendall(piece[: min(left, PIECE)])
            left -= min(left, PIECE)
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(PIECE)
            if not data:
                raise SystemExit(f"the connection ended: {head!r}")
            head += data
        length = LENGTH.search(head)
        if head[9:10] != b"2" or (length is None and head[9:12] != b"204"):
            raise SystemExit(f"the answer was {head[:600]!r}")
        left = int(length[1]) - (len(head) - head.index(b"\r\n\r\n") - 4) if length else 0
        while left:
            came = connection.recv_into(piece)
            if not came:
                raise SystemExit("the connection ended too early")
            left -= came
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.stdout.write(str(main(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))))
