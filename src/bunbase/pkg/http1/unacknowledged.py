"""The time after which the kernel ends a connection whose data the client's machine does not acknowledge (RFC 5482).

A client that has lost its network sends no end of the connection, and Linux repeats data for a quarter of an hour. A
client that is connected but does not read must not be treated in this way, but the kernel cannot distinguish the two
once the client's buffer is full. So a protocol lifts the limit while it waits for a slow reader, and counts the time
itself.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

TCP_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)  # not on every platform

ENDED: Final = (OSError, ValueError)
"""The errors of a socket whose connection has ended. uvloop raises ValueError, because its number is then -1."""


def limit_unacknowledged(transport: asyncio.BaseTransport, seconds: float) -> None:
    """Set the limit of a connection; 0 for the limit of the system. It has no effect if the platform has no such
    limit.
    """
    found = transport.get_extra_info("socket")
    if found is not None and TCP_USER_TIMEOUT is not None:
        with suppress(*ENDED):
            found.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, round(seconds * 1000))
