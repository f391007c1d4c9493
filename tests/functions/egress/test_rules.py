"""The rules for hosts, addresses and redirects. These tests need no network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.contracts.functions.host_calls import HostNotAllowed, InvalidFetch, SecretNotFound
from bunbase.functions.egress.addressed import follow_location, read_target
from bunbase.functions.egress.addresses import networks, reachable
from bunbase.functions.egress.allowed import check_allow_net, check_allowed, read_entry
from bunbase.functions.egress.opening import open_fetcher
from bunbase.functions.egress.secrets import fill_in
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.errors import CannotStart, InvalidInput


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "100::1",
        "5f00::1",
        "nonsense",
        "",
    ],
)
def test_addresses_that_are_not_public_are_unreachable(address: str) -> None:
    assert not reachable(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:8.8.8.8", "2002:808:808::1"],
)
def test_public_addresses_are_reachable(address: str) -> None:
    assert reachable(address)


@given(st.ip_addresses(v=4))
def test_every_notation_of_an_ipv4_address_has_the_same_verdict(address: IPv4Address) -> None:
    number = int(address)

    for written in (
        f"::ffff:{address}",
        str(IPv6Address((0x0064FF9B << 96) | number)),
        str(IPv6Address((0x2002 << 112) | number << 80)),
    ):
        assert reachable(written) == reachable(str(address)), written


def test_only_allowed_private_networks_are_reachable() -> None:
    also = networks(("10.1.0.0/16", "fd00::/64"))

    assert reachable("10.1.2.3", also)
    assert reachable("::ffff:10.1.2.3", also)
    assert reachable("fd00::5", also)
    assert not reachable("10.2.0.1", also)
    assert not reachable("127.0.0.1", also)


@pytest.mark.parametrize(
    ("entry", "url", "covered"),
    [
        ("api.example.com", "https://api.example.com/x?y", True),
        ("API.example.com", "https://api.example.com/", True),
        ("api.example.com", "https://api.example.com:443/", True),
        ("api.example.com", "https://api.example.com:8443/", False),
        ("api.example.com:8443", "https://api.example.com:8443/", True),
        ("api.example.com", "http://api.example.com/", False),
        ("http://api.example.com", "http://api.example.com/", True),
        ("http://api.example.com", "https://api.example.com/", False),
        ("api.example.com", "https://evil-api.example.com/", False),
        ("api.example.com", "https://api.example.com.evil.test/", False),
        ("*.example.com", "https://a.b.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("*.example.com", "https://evilexample.com/", False),
        ("203.0.114.1", "https://203.0.114.1/", True),
        ("[2606:4700::1]", "https://[2606:4700::1]/", True),
    ],
)
def test_an_entry_of_the_allow_list_covers_its_host_scheme_and_port(entry: str, url: str, covered: bool) -> None:
    try:
        check_allowed((entry,), read_target(url))
    except HostNotAllowed:
        assert not covered
    else:
        assert covered


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "**",
        "*:0",
        "ftp://*",
        "*.com",
        "*.*.com",
        "a b",
        "ftp://a.test",
        "a.test/path",
        "a.test:0",
        "a.test:99999",
        "bücher.example",
        "x" * 300,
    ],
)
def test_an_invalid_entry_of_the_allow_list_is_refused_with_its_position(entry: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_allow_net(("fine.example.com", entry))

    assert refused.value.extra["errors"][0]["path"] == "/config/allow_net/1"


@given(st.text(max_size=40))
def test_arbitrary_text_is_a_valid_entry_of_the_allow_list_or_refused(text: str) -> None:
    try:
        entry = read_entry(text)
    except ValueError:
        return
    assert 1 <= entry.port <= 65535
    assert entry.host.isascii()


@pytest.mark.parametrize(
    "url",
    [
        "https://user@api.test/",
        "https://a.test\\@b.test/",
        "https://a.test#@b.test/ x",
        "https://a.test/\r\nx: y",
        "https:///path",
        "//a.test/",
        "HTTPS://a.test/",
        "https://a.test:/",
        "https://a.test:70000/",
        "https://" + "a" * 20_000,
        "javascript:alert(1)",
    ],
)
def test_an_ambiguous_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidFetch):
        read_target(url)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_a_valid_location_or_refused(location: bytes) -> None:
    try:
        target = follow_location(read_target("https://a.test/x"), location)
    except InvalidFetch:
        return
    assert read_target(target.url) == target


def test_relative_locations_are_resolved() -> None:
    base = read_target("https://a.test:8443/one/two?q=1")

    assert follow_location(base, b"three").url == "https://a.test:8443/one/three"
    assert follow_location(base, b"/four#part").url == "https://a.test:8443/four"
    assert follow_location(base, b"//B.test/five").url == "https://b.test/five"
    assert follow_location(base, "/sücht".encode()).url == "https://a.test:8443/s%C3%BCcht"


def test_placeholders_are_filled_in_and_errors_never_show_the_value() -> None:
    variables = {"KEY": "sk_1\n", "BROKEN": "a\nb"}

    assert fill_in("Bearer {{KEY}} {{ KEY }} {{key}} {{", variables) == "Bearer sk_1 sk_1 {{key}} {{"
    with pytest.raises(SecretNotFound, match="NONE"):
        fill_in("{{NONE}}", variables)
    with pytest.raises(InvalidFetch) as refused:
        fill_in("{{BROKEN}}", variables)
    assert "a\nb" not in str(refused.value)


def test_invalid_settings_are_reported_at_the_start() -> None:
    with pytest.raises(CannotStart, match="allow_private_networks"):
        open_fetcher(FunctionsSettings(allow_private_networks=("10.0.0.1/8",)))
    with pytest.raises(CannotStart, match="ca_file"):
        open_fetcher(FunctionsSettings(ca_file="/nonexistent.pem"))
