"""The server's own addresses: a request to one comes from inside, past every firewall in front of the machine.

The kernel is asked for each connection whether it would deliver it here: interfaces come and go. Behind a NAT the
public address is on no interface; so what `public_url` and `functions.host` stand for counts as well.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from bunbase.functions.egress.addresses import Address, Network, meant_by
from bunbase.functions.egress.resolver import NameNotFound, Resolver

TTL_SECONDS: Final = 60.0
HTTPS: Final = 443
ANY_LABEL: Final = "bunbase"  # of a wildcard: every name below it leads to the same place

# linux/rtnetlink.h
NETLINK_ROUTE: Final = 0
NEW_ROUTE: Final = 24
GET_ROUTE: Final = 26
REQUEST: Final = 1
DESTINATION: Final = 1
LOCAL: Final = 2
HEAD: Final = struct.Struct("=IHHII")
ROUTE: Final = struct.Struct("=8BI")
ATTRIBUTE: Final = struct.Struct("=HH")


class OwnAddresses:
    """`names`: hosts that lead to this server from outside."""

    def __init__(self, resolver: Resolver, names: tuple[str, ...]) -> None:
        self.resolver = resolver
        self.names = names
        self._found: dict[str, frozenset[Address]] = {}
        self._until = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._turns = asyncio.Semaphore(1)

    async def include(self, text: str) -> bool:
        """Return whether the address is one of this server's, loopback aside."""
        address = meant_by(text)
        if address is None or address.is_loopback:
            return False
        return is_local(address) or address in await self._of_names()

    async def _of_names(self) -> frozenset[Address]:
        async with self._one_at_a_time:
            if time.monotonic() >= self._until:
                for name in self.names:
                    with suppress(NameNotFound):  # then what it stood for before still counts
                        found = await self.resolver.addresses(name, HTTPS, self._turns)
                        self._found[name] = frozenset(one for one in map(meant_by, found) if one is not None)
                self._until = time.monotonic() + TTL_SECONDS
        return frozenset().union(*self._found.values())


def own_names(public_url: str, functions_host: str) -> tuple[str, ...]:
    """`functions_host`: as the setting has it, `*.fn.example.com`."""
    host = urlsplit(public_url).hostname or ""
    wildcard = functions_host.partition(":")[0].replace("*", ANY_LABEL, 1)
    return tuple(name for name in (host, wildcard) if name and name != "localhost" and not name.endswith(".localhost"))


def named_alone(text: str, networks: tuple[Network, ...]) -> bool:
    """Return whether one of the networks is this very address and nothing else."""
    address = meant_by(text)
    return address is not None and any(one.num_addresses == 1 and address == one.network_address for one in networks)


def is_local(address: Address) -> bool:
    """Return whether packets to this address stay on this machine, as the kernel routes them just now."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    destination = ATTRIBUTE.pack(ATTRIBUTE.size + len(address.packed), DESTINATION) + address.packed
    route = ROUTE.pack(family, len(address.packed) * 8, 0, 0, 0, 0, 0, 0, 0)
    size = HEAD.size + len(route) + len(destination)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE) as kernel:
            kernel.send(HEAD.pack(size, GET_ROUTE, REQUEST, 1, 0) + route + destination)
            answer = kernel.recv(4096, socket.MSG_DONTWAIT)  # it is there when `send` returns
    except OSError:
        return _can_be_bound(address, family)
    _, type, *_ = HEAD.unpack_from(answer)
    if type != NEW_ROUTE:
        return False  # there is no way to it at all
    kind: int = ROUTE.unpack_from(answer, HEAD.size)[7]
    return kind == LOCAL


def _can_be_bound(address: Address, family: int) -> bool:
    """Where a unit's RestrictAddressFamilies keeps netlink away: a socket takes no address but the machine's own."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as here:
            here.bind((str(address), 0))
    except OSError:
        return False
    return True
