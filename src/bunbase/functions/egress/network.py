"""The one place where a function's connection is made: look up, check, connect to what was checked.

The name is looked up once per connection and the connection goes to an address that passed, so a name server that
answers differently the next moment (DNS rebinding) gains nothing. TLS above still names and verifies the host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import httpcore

from bunbase.contracts.host_calls import AddressNotAllowed
from bunbase.functions.egress.addresses import Network, reachable
from bunbase.functions.egress.own_addresses import OwnAddresses, named_alone
from bunbase.functions.egress.resolver import LOOK_UPS_PER_PROJECT, NameNotFound, Resolver
from bunbase.functions.egress.streams import PlainStream

MAX_TRIES: Final = 3  # addresses of one name


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """A project's. `also`: networks that are reachable though they are not public. `own`: the server's addresses, of
    which only those are reachable that `also` names alone.
    """

    def __init__(self, resolver: Resolver, also: tuple[Network, ...], own: OwnAddresses) -> None:
        self.resolver = resolver
        self.also = also
        self.own = own
        self.below = httpcore.AnyIOBackend()
        self.turns = asyncio.Semaphore(LOOK_UPS_PER_PROJECT)

    def for_another(self) -> CheckedNetwork:
        """Give the same network for another project: no project waits for another's look-ups."""
        return CheckedNetwork(self.resolver, self.also, self.own)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises: AddressNotAllowed, httpcore.ConnectError."""
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
        """Return the addresses that a function may connect to, at least one. Raises: AddressNotAllowed."""
        public = [address for address in found if reachable(address, self.also)]
        if not public:
            raise AddressNotAllowed(
                f"{host} leads to no public address, and functions reach no others. "
                "If it is meant, the operator names the network in functions.allow_private_networks."
            )
        passed = [one for one in public if named_alone(one, self.also) or not await self.own.include(one)]
        if not passed:
            raise AddressNotAllowed(
                f"{host} leads to this server itself. Use ctx.data and ctx.enqueue; if it is meant, the operator names "
                "the very address in functions.allow_private_networks, as in 203.0.113.5/32."
            )
        return passed

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("Functions reach no sockets of this machine.")

    async def sleep(self, seconds: float) -> None:
        await self.below.sleep(seconds)
