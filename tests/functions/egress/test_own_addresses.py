"""Functions cannot reach the server's own addresses, in any notation. The tests use real interfaces of this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from bunbase.contracts.functions.host_calls import AddressNotAllowed
from bunbase.functions.egress import own_addresses
from bunbase.functions.egress.addresses import Address, meant_by, networks
from bunbase.functions.egress.network import CheckedNetwork
from bunbase.functions.egress.own_addresses import OwnAddresses, is_local, own_names
from bunbase.pkg.resolver import FixedResolver

PUBLIC = "93.184.215.14"


def interfaces() -> Iterator[Address]:
    """Return this machine's address for each family that has a route to the outside. Nothing is sent."""
    for family, outside in ((socket.AF_INET, "8.8.8.8"), (socket.AF_INET6, "2606:4700::1111")):
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            try:
                probe.connect((outside, 9))
            except OSError:
                continue
            yield ip_address(probe.getsockname()[0])


OWN = [one for one in interfaces() if not one.is_loopback]


def network(resolver: FixedResolver, *also: str, public_url: str = "", host: str = "") -> CheckedNetwork:
    return CheckedNetwork(resolver, networks(also), OwnAddresses(resolver, own_names(public_url, host)))


async def passed(checked: CheckedNetwork, *addresses: str) -> list[str]:
    return await checked._passed("api.test", list(addresses))


def test_the_kernel_tells_which_addresses_are_local() -> None:
    """`is_local` is true for loopback and for every interface of this machine."""
    others: list[Address] = [IPv4Address("8.8.8.8"), IPv6Address("2606:4700::1111"), IPv4Address("192.0.2.200")]
    assert all(is_local(one) for one in [IPv4Address("127.0.0.1"), IPv4Address("127.9.9.9"), *OWN])
    assert not any(is_local(one) for one in others)


def test_without_netlink_local_addresses_are_found_by_binding_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """`is_local` has a fallback if netlink is not available."""
    monkeypatch.setattr(own_addresses, "NETLINK_ROUTE", 9999)

    assert all(is_local(one) for one in [IPv4Address("127.0.0.1"), *OWN])
    assert not is_local(IPv4Address("8.8.8.8"))


@pytest.mark.skipif(not OWN, reason="this machine has no address besides loopback")
async def test_an_interface_address_is_unreachable_unless_that_exact_address_is_allowed() -> None:
    """An allowed network that contains the address is not enough."""
    for own in OWN:
        wide = "0.0.0.0/0" if own.version == 4 else "::/0"
        written = [str(own)] + ([f"::ffff:{own}", f"64:ff9b::{own}"] if own.version == 4 else [])
        for text in written:
            with pytest.raises(AddressNotAllowed):
                await passed(network(FixedResolver({}), wide), text)
            assert await passed(network(FixedResolver({}), wide), text, PUBLIC) == [PUBLIC]
            assert await passed(network(FixedResolver({}), f"{own}/{own.max_prefixlen}"), text) == [text]


LOOPBACK = ["127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "::1", "::"]
MAPPED = ["::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::1", "::ffff:0.0.0.0"]


@pytest.mark.parametrize("text", LOOPBACK + MAPPED)
@pytest.mark.parametrize("wide", [("127.0.0.0/8",), ("0.0.0.0/0", "::/0"), ("0.0.0.0/8", "127.0.0.0/31", "::/127")])
async def test_loopback_is_this_server_unless_that_exact_address_is_allowed(text: str, wide: tuple[str, ...]) -> None:
    """A setting that allows a whole network does not allow loopback, where the internal port listens.

    The notation of the address makes no difference.
    """
    with pytest.raises(AddressNotAllowed):
        await passed(network(FixedResolver({}), *wide), text)
    assert await passed(network(FixedResolver({}), *wide, PUBLIC + "/32"), text, PUBLIC) == [PUBLIC]

    exact = meant_by(text)
    assert exact is not None
    assert await passed(network(FixedResolver({}), *wide, f"{exact}/{exact.max_prefixlen}"), text) == [text]


async def test_a_refusal_names_the_value_that_the_setting_needs() -> None:
    """The developer passes the value to the operator.

    The message reveals no address that only the server can look up.
    """
    for also, host, address, needed in (
        ((), "10.9.9.9", "10.9.9.9", '["10.9.9.9/32"]'),
        ((), "intranet.test", "10.9.9.9", '["10.1.2.3/32"]'),
        (("127.0.0.0/8",), "localhost", "127.0.0.1", '["127.0.0.1/32"]'),
        (("::/0",), "[::1]", "::1", '["::1/128"]'),
    ):
        with pytest.raises(AddressNotAllowed) as refused:
            await network(FixedResolver({}), *also)._passed(host, [address])
        assert f"functions.allow_private_networks, for example {needed}" in refused.value.detail


@pytest.mark.parametrize("text", [PUBLIC, f"::ffff:{PUBLIC}", f"64:ff9b::{PUBLIC}", "2002:5db8:d70e::1"])
async def test_addresses_of_the_host_names_of_this_installation_are_unreachable(text: str) -> None:
    """Behind a NAT no interface has the public address, but the host name of the server leads to it."""
    for own in ({"public_url": "https://Api.example.com:8443"}, {"host": "*.fn.example.com"}):
        names = {"api.example.com": [[PUBLIC]], "bunbase.fn.example.com": [[PUBLIC]]}

        with pytest.raises(AddressNotAllowed) as refused:
            await passed(network(FixedResolver(names), **own), text)

        assert "this server itself" in refused.value.detail
        assert await passed(network(FixedResolver(names), f"{PUBLIC}/32", **own), text) == [text]


async def test_own_host_names_are_resolved_again_and_a_failed_look_up_keeps_old_addresses() -> None:
    """The addresses of the own host names may change."""
    resolver = FixedResolver({"api.example.com": [["93.184.215.1"], [PUBLIC]]})
    checked = network(resolver, public_url="https://api.example.com")
    assert await passed(checked, PUBLIC) == [PUBLIC]
    assert await passed(checked, PUBLIC) == [PUBLIC]
    assert resolver.asked == ["api.example.com"]

    checked.own._until = 0.0
    with pytest.raises(AddressNotAllowed):
        await passed(checked, PUBLIC)
    resolver.names.clear()
    checked.own._until = 0.0

    with pytest.raises(AddressNotAllowed):
        await passed(checked, PUBLIC)
    assert len(resolver.asked) == 3


@pytest.mark.parametrize(
    ("public_url", "host", "names"),
    [
        ("http://127.0.0.1:7070", "", ("127.0.0.1",)),
        ("http://localhost:7070", "*.fn.localhost:7070", ()),
        ("https://api.example.com", "*.fn.example.com:8443", ("api.example.com", "bunbase.fn.example.com")),
        ("", "", ()),
    ],
)
def test_the_own_host_names_come_from_the_settings(public_url: str, host: str, names: tuple[str, ...]) -> None:
    assert own_names(public_url, host) == names
