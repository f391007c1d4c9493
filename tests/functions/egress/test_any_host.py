"""`allow_net = ["*"]` allows any public host, and nothing else. The real server of the tests is on loopback.

`public_loopback` makes 127.0.0.1 a public address of another machine, because no test may depend on the internet.
"""

from __future__ import annotations

from typing import Any

import pytest

from bunbase.contracts.functions.host_calls import AddressNotAllowed, HostNotAllowed
from bunbase.functions.egress import addresses
from bunbase.functions.egress.addressed import read_target
from bunbase.functions.egress.addresses import networks
from bunbase.functions.egress.allowed import Reach, check_allowed
from bunbase.functions.egress.network import CheckedNetwork
from bunbase.functions.egress.own_addresses import OwnAddresses
from bunbase.functions.service import FunctionsService
from bunbase.pkg.resolver import FixedResolver
from tests.functions.calls import MEMBER, deploy
from tests.functions.egress.site import Site
from tests.functions.egress.test_fetch import FETCH, at, fetch, redirect
from tests.functions.egress.test_own_addresses import OWN

PUBLIC = "93.184.215.14"
PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "169.254.169.254",
    "::1",
    "fd00::1",
    "::ffff:10.1.2.3",
    "2002:a00:1::1",
]


@pytest.fixture
def resolver(resolver: FixedResolver) -> FixedResolver:
    """Add the addresses that the tests use as host names, because a system resolves an address to itself."""
    resolver.names.update({one: [[one]] for one in PRIVATE})
    return resolver


@pytest.fixture
def public_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    others = tuple(one for one in addresses.NOT_PUBLIC_4 if str(one) != "127.0.0.0/8")
    monkeypatch.setattr(addresses, "NOT_PUBLIC_4", others)

    async def include(_own: OwnAddresses, _text: str) -> bool:
        return False

    monkeypatch.setattr(OwnAddresses, "include", include)


async def deploy_any(functions: FunctionsService, net: Site, *others: str) -> None:
    await deploy(functions, "f", FETCH, allow_net=[f"*:{net.port}", f"http://*:{net.plain_port}", *others])


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        ("*", "https://any.example/", True),
        ("*", "https://93.184.215.14/", True),
        ("*", "https://[2606:4700::1111]/", True),
        ("*", "https://any.example:8443/", False),
        ("*", "http://any.example/", False),
        ("*:8443", "https://any.example:8443/", True),
        ("*:8443", "https://any.example/", False),
        ("http://*", "http://any.example/", True),
        ("http://*", "https://any.example/", False),
        ("http://*:8080", "http://any.example:8080/", True),
    ],
)
def test_an_asterisk_allows_every_host_with_its_scheme_and_port(entry: str, url: str, allowed: bool) -> None:
    if allowed:
        assert check_allowed((entry,), read_target(url)) is Reach.ANY_PUBLIC
        assert check_allowed((entry, url.rstrip("/")), read_target(url)) is Reach.NAMED
    else:
        with pytest.raises(HostNotAllowed):
            check_allowed((entry,), read_target(url))


async def test_a_host_behind_an_asterisk_reaches_only_public_addresses_even_if_the_operator_opened_others() -> None:
    opened = networks(("0.0.0.0/0", "::/0", *(f"{one}/{one.max_prefixlen}" for one in OWN)))
    names = {"api.example.com": [["93.184.215.99"]]}
    resolver = FixedResolver(names)
    network = CheckedNetwork(resolver, opened, OwnAddresses(resolver, ("api.example.com",)))
    public_only = network.for_another(Reach.ANY_PUBLIC)
    refused = [*PRIVATE, *map(str, OWN), "93.184.215.99", "::ffff:93.184.215.99"]

    for address in refused:
        with pytest.raises(AddressNotAllowed):
            await public_only._passed("any.example", [address])

    assert await public_only._passed("any.example", [*refused, PUBLIC]) == [PUBLIC]
    assert await network.for_another()._passed("any.example", ["10.1.2.3"]) == ["10.1.2.3"]


@pytest.mark.usefixtures("public_loopback")
async def test_a_function_with_an_asterisk_fetches_hosts_that_it_does_not_name(
    functions: FunctionsService, net: Site
) -> None:
    await deploy_any(functions, net)

    assert (await fetch(functions, at(net, "/", "other.test")))["status"] == 200
    assert (await fetch(functions, f"http://unnamed.test:{net.plain_port}/"))["status"] == 200
    assert (await fetch(functions, redirect(net, at(net, "/there", "other.test"))))["status"] == 200


async def _code(functions: FunctionsService, url: str, **init: Any) -> str:
    got = await fetch(functions, url, **init)
    return str(got["code"])


async def test_a_private_address_that_the_operator_opened_needs_an_entry_that_names_the_host(
    functions: FunctionsService, net: Site
) -> None:
    """The settings of these tests open 127.0.0.1. A connection to the named host must not serve the other host."""
    await deploy_any(functions, net, f"api.test:{net.port}")

    assert (await fetch(functions, at(net, "/")))["status"] == 200
    connections = net.connections
    assert await _code(functions, at(net, "/", "other.test")) == "address_not_allowed"
    assert await _code(functions, f"https://127.0.0.1:{net.port}/") == "address_not_allowed"
    assert await _code(functions, redirect(net, at(net, "/", "other.test"))) == "address_not_allowed"

    await deploy_any(functions, net)
    assert await _code(functions, at(net, "/")) == "address_not_allowed"
    assert net.connections == connections


@pytest.mark.usefixtures("public_loopback")
async def test_redirects_of_a_public_host_never_lead_to_a_private_address(
    functions: FunctionsService, net: Site
) -> None:
    await deploy_any(functions, net)

    for to in ("private.test", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.1.2.3]"):
        assert await _code(functions, redirect(net, f"https://{to}:{net.port}/")) == "address_not_allowed", to


@pytest.mark.usefixtures("public_loopback")
async def test_secrets_go_only_to_hosts_that_an_entry_names(functions: FunctionsService, net: Site) -> None:
    await functions.set_variable(MEMBER, "API_KEY", "sk_hidden", exposed=False)
    await deploy_any(functions, net, f"api.test:{net.port}")
    headers = {"authorization": "Bearer {{API_KEY}}"}

    assert (await fetch(functions, at(net, "/"), headers=headers))["status"] == 200
    got = await fetch(functions, at(net, "/", "other.test"), headers=headers)

    assert got["code"] == "host_not_allowed"
    assert f"other.test:{net.port}" in got["message"]
    assert [seen.headers["authorization"] for seen in net.seen] == ["Bearer sk_hidden"]
