from __future__ import annotations

import pytest

from bunbase.pkg.outgoing import is_public

PRIVATE = [
    "127.0.0.1",
    "10.0.0.7",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "fec0::1",
    "ff02::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.7",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a00:7::",
    "2001:0:7f00:1::1",
]
PUBLIC = ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize(("addresses", "public"), [(PRIVATE, False), (PUBLIC, True)], ids=["private", "public"])
def test_an_address_that_leads_into_a_private_network_is_not_public_in_any_spelling(
    addresses: list[str], public: bool
) -> None:
    assert {address: is_public(address) for address in addresses} == dict.fromkeys(addresses, public)
