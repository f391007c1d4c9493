"""The bytes that the kernel may hold for a client before they are on their way (TCP_NOTSENT_LOWAT of Linux).

Without a limit, the kernel takes some megabytes for a connection whose client does not read (2.8 MB on Linux 6.18), and
so long the server cannot know of it. Bytes that are on their way are not limited, so a fast connection over a long
distance stays fast.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

TCP_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # not on every platform


def limit_kernel_buffer(transport: asyncio.BaseTransport, bytes: int) -> None:
    """Set the limit of a connection. It has no effect if the platform has no such limit."""
    found = transport.get_extra_info("socket")
    if found is not None and TCP_NOTSENT_LOWAT is not None:
        with suppress(OSError):  # the connection has ended
            found.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes)
