"""Recognises the server's own addresses. A request of a function to such an address would bypass all firewalls.

Loopback addresses lead to the internal port, and to other services that trust this machine. Network interfaces may
appear and disappear, so for each connection the kernel decides whether it would deliver the packets to this machine.
Behind a NAT, no interface has the public address, so the addresses of `public_url` and `functions.host` also count.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from contextlib import suppress
from ipaddress import IPv4Network
from typing import Final
from urllib.parse import urlsplit

from bunbase.functions.egress.addresses import Address, Network, meant_by
from bunbase.pkg.resolver import NameNotFound, Resolver

TTL_SECONDS: Final = 60.0
HTTPS: Final = 443
# This label replaces the asterisk of a wildcard, because all names below the wildcard have the same address.
ANY_LABEL: Final = "bunbase"

THIS_HOST: Final = IPv4Network("0.0.0.0/8")

# These constants are from linux/rtnetlink.h.
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
    """The addresses of this server. `names`: the host names under which clients reach this server."""

    def __init__(self, resolver: Resolver, names: tuple[str, ...]) -> None:
        self.resolver = resolver
        self.names = names
        self._found: dict[str, frozenset[Address]] = {}
        self._until = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._turns = asyncio.Semaphore(1)

    async def include(self, text: str) -> bool:
        """True if the address belongs to this server.

        Loopback addresses also belong to this server, because the internal port listens on one of them.
        """
        address = meant_by(text)
        if address is None:
            return False
        return is_loopback(address) or is_local(address) or address in await self._of_names()

    async def _of_names(self) -> frozenset[Address]:
        async with self._one_at_a_time:
            if time.monotonic() >= self._until:
                for name in self.names:
                    # If a look-up fails, the addresses of the last successful look-up still count.
                    with suppress(NameNotFound):
                        found = await self.resolver.addresses(name, HTTPS, self._turns)
                        self._found[name] = frozenset(one for one in map(meant_by, found) if one is not None)
                self._until = time.monotonic() + TTL_SECONDS
        return frozenset().union(*self._found.values())


def own_names(public_url: str, functions_host: str) -> tuple[str, ...]:
    """Return the host names of this installation. `functions_host`: the setting, such as `*.fn.example.com`."""
    host = urlsplit(public_url).hostname or ""
    wildcard = functions_host.partition(":")[0].replace("*", ANY_LABEL, 1)
    return tuple(name for name in (host, wildcard) if name and name != "localhost" and not name.endswith(".localhost"))


def named_alone(text: str, networks: tuple[Network, ...]) -> bool:
    """True if one of the networks consists of exactly this address."""
    address = meant_by(text)
    return address is not None and any(one.num_addresses == 1 and address == one.network_address for one in networks)


def is_loopback(address: Address) -> bool:
    """True if packets to the address never leave this machine. Linux connects 0.0.0.0 and :: to loopback too."""
    return address.is_loopback or address.is_unspecified or address in THIS_HOST


def is_local(address: Address) -> bool:
    """True if the kernel would deliver packets for this address to this machine."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    destination = ATTRIBUTE.pack(ATTRIBUTE.size + len(address.packed), DESTINATION) + address.packed
    route = ROUTE.pack(family, len(address.packed) * 8, 0, 0, 0, 0, 0, 0, 0)
    size = HEAD.size + len(route) + len(destination)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE) as kernel:
            kernel.send(HEAD.pack(size, GET_ROUTE, REQUEST, 1, 0) + route + destination)
            answer = kernel.recv(4096, socket.MSG_DONTWAIT)  # The kernel has answered before `send` returns.
    except OSError:
        return _can_be_bound(address, family)
    _, type, *_ = HEAD.unpack_from(answer)
    if type != NEW_ROUTE:
        return False  # The kernel has no route to the address.
    kind: int = ROUTE.unpack_from(answer, HEAD.size)[7]
    return kind == LOCAL


def _can_be_bound(address: Address, family: int) -> bool:
    """True if a socket can be bound to the address, which works only for addresses of this machine.

    This test is used if netlink is not available, for example because of systemd's RestrictAddressFamilies.
    """
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as here:
            here.bind((str(address), 0))
    except OSError:
        return False
    return True
