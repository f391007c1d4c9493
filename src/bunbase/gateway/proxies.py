"""The proxies whose X-Forwarded-For the gateway trusts: single addresses, and networks such as `10.0.0.0/8`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from bunbase.pkg.errors import CannotStart
from bunbase.pkg.ip_addresses import canonical_address

KNOWN_ADDRESSES: Final = 4096


class Proxies:
    """A set of networks that supports `address in proxies`, for an address in canonical spelling.

    Raises: CannotStart if an entry is neither an address nor a network.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self.networks = tuple(_network(one) for one in trusted)
        self._known = lru_cache(KNOWN_ADDRESSES)(self._holds)

    def __contains__(self, address: object) -> bool:
        return bool(self.networks) and isinstance(address, str) and self._known(address)

    def _holds(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False  # A peer such as a Unix socket has no address.
        return any(parsed in network for network in self.networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(canonical_address(text) or text.strip(), strict=False)
    except ValueError:
        raise CannotStart(
            f"gateway.trusted_proxies: {text!r} is neither an address nor a network; write 10.0.0.1 or 10.0.0.0/8"
        ) from None
