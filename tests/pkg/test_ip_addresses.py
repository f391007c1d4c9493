"""IP addresses get one canonical spelling, and limits count a network of 2^64 IPv6 addresses as one."""

from __future__ import annotations

import pytest

from bunbase.pkg.ip_addresses import canonical_address, neighbourhood


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("198.51.100.8", "198.51.100.8"),
        (" 198.51.100.8 ", "198.51.100.8"),
        ("198.51.100.8:2000", "198.51.100.8"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("2001:db8::1%eth0", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_an_ip_address_gets_its_canonical_spelling(text: str, address: str) -> None:
    assert canonical_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "unknown", "_hidden", "<script>", "999.1.1.1", "1.2.3", "[::1", "[::1]x", "a:1", "1" * 5000, "²"]
)
def test_a_text_that_is_no_ip_address_returns_none(text: str) -> None:
    assert canonical_address(text) is None


def test_ipv6_is_counted_by_its_64_bit_network_and_ipv4_by_address() -> None:
    assert neighbourhood("2001:db8:1:2::1") == neighbourhood("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert neighbourhood("2001:db8:1:3::1") != neighbourhood("2001:db8:1:2::1")
    assert neighbourhood("198.51.100.8") == "198.51.100.8"
    assert neighbourhood("") == ""
