"""The limits of a port on times, bytes and connections."""

from __future__ import annotations

import resource
from collections.abc import Container
from typing import Final

import msgspec

CONNECTIONS: Final = 4096
PER_ADDRESS: Final = 512
HIGHEST: Final = 1 << 20  # If the hard limit is "unlimited", the process requests this many file descriptors.


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one port.

    `connections`: the maximum number of open connections in total. `per_address`: the maximum number from one address
    (for IPv6, from one /64); this limit does not apply to addresses in `unlimited`.
    `descriptors_share`: the share of the process's file descriptors that connections may use.
    `head_bytes`: the largest request line with its headers.
    `read_seconds`: the time for a whole request, plus one second for every `bytes_per_second` of its body.
    `idle_seconds`: the time between two requests.
    `write_seconds`: a connection is closed if the client reads nothing of the answer for this long. If the answer is
    written in full, the client must also read at least `bytes_per_second` on average.

    If the answer is complete before the request, the rest of the request is read and dropped, within three
    limits: `linger_seconds` in total, `linger_silence_seconds` without new data, and `unread_bytes`.

    `refused_seconds`: the time that a refused client has to read the refusal. `refused_at_once`: the maximum number
    of refused connections that are open at the same time.
    `stop_seconds`: the time for the rest of a body when the server stops.
    """

    connections: int = CONNECTIONS
    per_address: int = PER_ADDRESS
    unlimited: Container[str] = ()
    descriptors_share: float = 0.5
    head_bytes: int = 64 << 10
    read_seconds: float = 30.0
    bytes_per_second: int = 16 << 10
    idle_seconds: float = 75.0
    write_seconds: float = 60.0
    linger_seconds: float = 30.0
    linger_silence_seconds: float = 5.0
    unread_bytes: int = 48 << 20
    refused_seconds: float = 2.0
    refused_at_once: int = 64
    stop_seconds: float = 5.0

    def fitting(self, descriptors: int) -> Limits:
        """Return these limits, lowered to fit `descriptors`.

        In this case, one address may have a quarter of the connections.
        """
        connections = max(1, min(self.connections, int(descriptors * self.descriptors_share)))
        quarter = self.per_address if connections == self.connections else max(1, connections // 4)
        return msgspec.structs.replace(self, connections=connections, per_address=min(self.per_address, quarter))


def raise_descriptors() -> int:
    """Raise the soft limit of open files to the hard limit, and return it. Each connection needs a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HIGHEST if hard == resource.RLIM_INFINITY else min(hard, HIGHEST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return descriptors()


def descriptors() -> int:
    """Return the number of files that this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return HIGHEST if soft == resource.RLIM_INFINITY else soft
