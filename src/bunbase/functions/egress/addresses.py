"""Decides which IP addresses functions may reach. By default, these are only public addresses.

An IPv6 address may stand for an IPv4 address (mapped, 6to4, NAT64). In this case, the IPv4 address decides. Python's
`is_global` was rejected, because its answers changed with patch releases. The lists here are fixed and tested.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# These networks are not public for IPv4: IANA's registry of special networks, multicast, and public addresses of
# internal services of clouds.
NOT_PUBLIC_4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and the metadata service of one cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # an address of the host of virtual machines on Azure
        "169.254.0.0/16",  # link-local; the metadata service of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# These are all public IPv6 addresses that IANA assigns. Other addresses are local, multicast or reserved.
UNICAST_6: Final = IPv6Network("2000::/3")
NOT_PUBLIC_6: Final = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20"))
NAT64: Final = IPv6Network("64:ff9b::/96")


def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Parse networks such as 10.1.0.0/16. Raises: ValueError, which names the invalid network."""
    return tuple(ip_network(text) for text in texts)


def reachable(text: str, also: tuple[Network, ...] = ()) -> bool:
    """True if a function may connect to this address: the address is public, or is in one of the networks `also`."""
    meant = meant_by(text)
    if meant is None:
        return False
    return _public(meant) or any(one.version == meant.version and meant in one for one in also)


def meant_by(text: str) -> Address | None:
    """Return the address to which packets to this address finally go, or None if the text is not an address."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return _embedded(address) or address


def _embedded(address: Address) -> IPv4Address | None:
    """Return the IPv4 address inside of an IPv6 address, or None if the IPv6 address contains no IPv4 address."""
    if isinstance(address, IPv4Address):
        return None
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    return address in UNICAST_6 and not any(address in network for network in NOT_PUBLIC_6)
