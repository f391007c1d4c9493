"""Whether a client takes what was written for it, seen from time to time."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

BYTES_ACKED: Final = struct.Struct("=Q")  # tcpi_bytes_acked in Linux's struct tcp_info
OFFSET: Final = 120
TCP_INFO: Final = getattr(socket, "TCP_INFO", None)


class Unsent:
    """Progress is measured by what the client's side has acknowledged: the buffers in between are up to some megabytes
    deep, and empty in leaps.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float, bytes_per_second: int) -> None:
        self.transport = transport
        self.seconds = seconds
        self.bytes_per_second = bytes_per_second
        self.taken: int | None = None  # by the client when it was last seen; None: nothing waited for it then
        self.seen_at = 0.0
        self.slow_since = 0.0

    def too_slow(self, now: float, whole: bool) -> bool:
        """True if the client has been too slow for too long. `whole`: all of the answer is written, so a least rate
        counts; of an answer that streams any byte is enough.
        """
        waiting = self.transport.get_write_buffer_size()
        if not waiting:
            self.taken = None
            return False
        taken = _acknowledged(self.transport, waiting)
        if self.taken is None or taken - self.taken > (self.bytes_per_second * (now - self.seen_at) if whole else 0):
            self.slow_since = now
        self.taken, self.seen_at = taken, now
        return now - self.slow_since >= self.seconds


def _acknowledged(transport: asyncio.Transport, waiting: int) -> int:
    """Return a count of bytes that only grows as the client takes some."""
    found = transport.get_extra_info("socket")
    if found is None or TCP_INFO is None:
        return -waiting
    try:
        info = found.getsockopt(socket.IPPROTO_TCP, TCP_INFO, OFFSET + BYTES_ACKED.size)
    except OSError:
        return -waiting
    return int(BYTES_ACKED.unpack_from(info, OFFSET)[0]) if len(info) >= OFFSET + BYTES_ACKED.size else -waiting
