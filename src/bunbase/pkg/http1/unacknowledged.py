"""Limit the time in which a client's machine must acknowledge data.

After this time, the kernel ends the connection (RFC 5482).

A client that loses its network cannot tell the server, and Linux would resend data for a quarter of an hour. A client
that is connected but reads slowly must not lose its connection by this limit. When the client's buffer is full, the
kernel cannot distinguish a lost network from a slow reader. So a protocol turns the limit off while it waits for a slow
reader, and measures the time itself.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

TCP_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)  # Not every platform has this option.

ENDED: Final = (OSError, ValueError)
"""The errors of a socket whose connection has ended. uvloop raises ValueError, because the descriptor is then -1."""


def limit_unacknowledged(transport: asyncio.BaseTransport, seconds: float) -> None:
    """Set the limit of a connection; 0 for the limit of the system. The call has no effect if the platform has no such
    limit.
    """
    found = transport.get_extra_info("socket")
    if found is not None and TCP_USER_TIMEOUT is not None:
        with suppress(*ENDED):
            found.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, round(seconds * 1000))
