"""How long, how much and how many: the bounds of a port."""

from __future__ import annotations

import resource
from collections.abc import Container
from typing import Final

import msgspec

CONNECTIONS: Final = 4096
PER_ADDRESS: Final = 512
HIGHEST: Final = 1 << 20  # descriptors; where the hard limit is "unlimited" this is plenty


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`connections`, `per_address`: open at once, in all and from one address (IPv6: from one /64); the addresses in
    `unlimited` count only in all. `descriptors_share`: how much of the process's descriptors they may take.

    `head_bytes`: of a request line with its headers. `read_seconds`: for a whole request, and one second more for
    every `bytes_per_second` of its body. `idle_seconds`: between two requests. `write_seconds`: for a client that takes
    nothing of its answer; or less than `bytes_per_second` of one that is written in full.

    `linger_seconds`, `linger_silence_seconds`, `unread_bytes`: for how long, with which pauses, and how much is still
    read and dropped behind an answer that came before the end of its request. `refused_seconds`: how long a connection
    beyond the limit may read its refusal; `refused_at_once`: how many may. `stop_seconds`: for the rest of a body when
    the server stops.
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
        """Return these limits with no more connections than `descriptors` allow, and a quarter of them per address."""
        connections = max(1, min(self.connections, int(descriptors * self.descriptors_share)))
        quarter = self.per_address if connections == self.connections else max(1, connections // 4)
        return msgspec.structs.replace(self, connections=connections, per_address=min(self.per_address, quarter))


def raise_descriptors() -> int:
    """Raise the soft limit of open files to the hard one, and return it: every connection takes a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HIGHEST if hard == resource.RLIM_INFINITY else min(hard, HIGHEST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return descriptors()


def descriptors() -> int:
    """Return how many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return HIGHEST if soft == resource.RLIM_INFINITY else soft
