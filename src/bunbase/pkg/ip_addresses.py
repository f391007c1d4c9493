"""The canonical spelling of IP addresses, and the networks around them, for limits, sessions and logs."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

MAX_LENGTH: Final = 64  # An address with brackets, a zone and a port is never longer.
IPV6_PREFIX_BITS: Final = 64  # A household or a virtual machine owns at least a /64 (RFC 6177).


def canonical_address(text: str) -> str | None:
    """Return the canonical spelling of an IP address (RFC 5952), or None for any other text.

    A port (`192.0.2.1:4711`, `[2001:db8::1]:443`), brackets and an IPv6 zone are removed. An IPv4 address that is
    mapped into IPv6 becomes the IPv4 address.
    """
    if len(text) > MAX_LENGTH:
        return None
    parsed = _parsed(_without_port(text.strip()))
    return None if parsed is None else str(parsed)


@lru_cache(maxsize=4096)
def neighbourhood(address: str) -> str:
    """Return the name under which limits count an address: the IPv4 address itself, or the /64 of an IPv6 address.

    Any other text is returned unchanged.
    """
    parsed = _parsed(address)
    if not isinstance(parsed, IPv6Address):
        return address if parsed is None else str(parsed)
    prefix = int(parsed) >> (128 - IPV6_PREFIX_BITS) << (128 - IPV6_PREFIX_BITS)
    return f"{IPv6Address(prefix)}/{IPV6_PREFIX_BITS}"


def network_around(address: str) -> str:
    """Return the network that one customer of a provider usually gets: the /24 of IPv4, or the /48 of IPv6."""
    parsed = _parsed(address)
    if parsed is None:
        return address
    bits = 24 if isinstance(parsed, IPv4Address) else 48
    return str(ip_network((parsed, bits), strict=False))


def _without_port(text: str) -> str:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        return host if bracket and port[:1] in ("", ":") else text
    host, colon, port = text.partition(":")
    return host if colon and ":" not in port else text


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
