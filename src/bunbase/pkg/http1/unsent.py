"""Checks whether a client reads its answer fast enough. The timer of the connection calls this check."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

from bunbase.pkg.http1.unacknowledged import ENDED

BYTES_ACKED: Final = struct.Struct("=Q")  # This is tcpi_bytes_acked in Linux's struct tcp_info.
OFFSET: Final = 120
TCP_INFO: Final = getattr(socket, "TCP_INFO", None)


class Unsent:
    """Measures progress by the bytes that the client's TCP has acknowledged. The size of the write buffer is not a good
    measure: the kernel's buffers take some megabytes more, and take data from the write buffer in large steps.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float, bytes_per_second: int) -> None:
        self.transport = transport
        self.seconds = seconds
        self.bytes_per_second = bytes_per_second
        # These bytes were acknowledged at the last check. The value is None if no data was waiting then.
        self.taken: int | None = None
        self.seen_at = 0.0
        self.slow_since = 0.0

    def too_slow(self, now: float, whole: bool) -> bool:
        """True if the client has been too slow for `seconds`. `whole`: True if the whole answer is written.

        After the whole answer is written, the client must read at least `bytes_per_second`. While an answer still
        streams, any progress is enough.
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
    """Return a number of bytes that grows only when the client's side acknowledges data."""
    found = transport.get_extra_info("socket")
    if found is None or TCP_INFO is None:
        return -waiting
    try:
        info = found.getsockopt(socket.IPPROTO_TCP, TCP_INFO, OFFSET + BYTES_ACKED.size)
    except ENDED:
        return -waiting
    return int(BYTES_ACKED.unpack_from(info, OFFSET)[0]) if len(info) >= OFFSET + BYTES_ACKED.size else -waiting
