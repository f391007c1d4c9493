"""Limit the bytes that the kernel holds for a client and has not sent yet (TCP_NOTSENT_LOWAT of Linux).

Without a limit, the kernel accepts some megabytes for a connection whose client does not read (2.8 MB on Linux 6.18).
Until then, the server cannot notice that the client does not read. The limit does not count bytes that are already on
their way, so a fast connection over a long distance stays fast.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

TCP_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Not every platform has this option.


def limit_kernel_buffer(transport: asyncio.BaseTransport, bytes: int) -> None:
    """Set the limit of a connection. This has no effect if the platform has no such limit."""
    found = transport.get_extra_info("socket")
    if found is not None and TCP_NOTSENT_LOWAT is not None:
        with suppress(OSError):  # The connection has ended.
            found.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes)
