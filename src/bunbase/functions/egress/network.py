"""Opens the connections of functions: looks up a name, checks its addresses, and connects to a checked address.

The name is looked up once for each connection, and the connection goes to an address that passed the check. So a name
server that answers differently a moment later (DNS rebinding) has no effect. TLS still verifies the name of the host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import httpcore

from bunbase.contracts.functions.host_calls import AddressNotAllowed
from bunbase.functions.egress.addresses import Network, meant_by, reachable
from bunbase.functions.egress.allowed import Reach
from bunbase.functions.egress.own_addresses import OwnAddresses, is_loopback, named_alone
from bunbase.functions.egress.streams import PlainStream
from bunbase.pkg.resolver import LOOK_UPS_PER_PROJECT, NameNotFound, Resolver

MAX_TRIES: Final = 3  # For one name, at most this many addresses are tried.


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """The network of one project.

    `also`: networks that functions may reach although they are not public. `own`: the addresses of this server.
    A function may reach an address of this server only if `also` names exactly this address.
    """

    def __init__(self, resolver: Resolver, also: tuple[Network, ...], own: OwnAddresses) -> None:
        self.resolver = resolver
        self.also = also
        self.own = own
        self.below = httpcore.AnyIOBackend()
        self.turns = asyncio.Semaphore(LOOK_UPS_PER_PROJECT)

    def for_another(self, reach: Reach = Reach.NAMED) -> CheckedNetwork:
        """Return the same network for another project. The look-ups of the two projects do not wait for each other.

        With ANY_PUBLIC, `also` is ignored.
        """
        return CheckedNetwork(self.resolver, self.also if reach is Reach.NAMED else (), self.own)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that accepts. Raises: AddressNotAllowed, httpcore.ConnectError."""
        try:
            found = await self.resolver.addresses(host, port, self.turns)
        except NameNotFound as error:
            raise httpcore.ConnectError(str(error)) from None
        passed = await self._passed(host, found)
        *first, last = passed[:MAX_TRIES]
        for address in first:
            try:
                return PlainStream(await self.below.connect_tcp(address, port, timeout, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return PlainStream(await self.below.connect_tcp(last, port, timeout, local_address, socket_options))

    async def _passed(self, host: str, found: list[str]) -> list[str]:
        """Return the addresses to which a function may connect. There is at least one. Raises: AddressNotAllowed."""
        public = [address for address in found if reachable(address, self.also)]
        if not public:
            raise AddressNotAllowed(
                f"{host} has no public address, and functions may reach only public addresses. "
                "To allow it, the operator must add its network to functions.allow_private_networks, for example "
                f'["{_example(host, found)}"], and the function\'s allow_net must name the host.'
            )
        passed = [one for one in public if named_alone(one, self.also) or not await self.own.include(one)]
        if not passed:
            raise AddressNotAllowed(
                f"{host} is this server itself. Use ctx.data and ctx.enqueue instead. To allow it, the operator must "
                "add exactly this address to functions.allow_private_networks, for example "
                f'["{_example(host, public)}"], and the function\'s allow_net must name the host.'
            )
        return passed

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("Functions cannot reach unix sockets.")

    async def sleep(self, seconds: float) -> None:
        await self.below.sleep(seconds)


def _example(host: str, found: list[str]) -> str:
    """Return an example for the setting. If the function knows the address, this is a network with only this address.

    If only the server's name servers know the address, return an invented address, because functions must not learn the
    real one.
    """
    meant = meant_by(host.strip("[]")) or next((one for one in map(meant_by, found) if one and is_loopback(one)), None)
    return "10.1.2.3/32" if meant is None else f"{meant}/{meant.max_prefixlen}"
