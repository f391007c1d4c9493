from __future__ import annotations

from typing import Any

import pytest
from litestar import Request
from litestar.datastructures import Headers, MultiDict

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.platform import InvalidKey
from bunbase.gateway.credentials import MAX_LENGTH, bearer_token, caller_address, client_ip, project_key
from bunbase.gateway.proxies import Proxies
from bunbase.pkg.errors import CannotStart, Malformed

PROXY, OTHER_PROXY, CLIENT = "10.0.0.1", "10.0.0.2", "203.0.113.7"


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer abc", "abc"), ("BEARER   abc ", "abc"), ("", ""), ("Bearer a b", "a b")],
)
def test_the_bearer_token_is_the_text_after_the_scheme(header: str, token: str) -> None:
    assert bearer_token({"authorization": header}) == token


def test_without_an_authorization_header_the_token_is_empty() -> None:
    assert bearer_token({}) == ""


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "abc", "Bearer " + "x" * (MAX_LENGTH + 1)])
def test_an_authorization_header_without_a_bearer_token_is_refused(header: str) -> None:
    with pytest.raises(InvalidToken):
        bearer_token({"authorization": header})


@pytest.mark.parametrize("key", ["sk_abc", "pk_abc"])
def test_a_project_key_as_a_bearer_token_is_refused_with_the_header_that_takes_it(key: str) -> None:
    with pytest.raises(InvalidToken, match="project key only in the header X-Bunbase-Key"):
        bearer_token({"authorization": f"Bearer {key}"})


def test_the_key_in_the_header_overrides_the_key_in_the_query() -> None:
    assert project_key({"x-bunbase-key": "sk_1"}, {"key": "pk_1"}) == "sk_1"
    assert project_key({}, {"key": "pk_1"}) == "pk_1"
    assert project_key({}, {}) == ""


def test_a_credential_that_is_sent_twice_is_refused() -> None:
    twice = Headers([(name, value) for name in (b"authorization", b"x-bunbase-key") for value in (b"Bearer a", b"b")])
    keys = MultiDict([("key", "pk_1"), ("key", "pk_2")])

    with pytest.raises(Malformed, match="only once"):
        bearer_token(twice)
    for headers, query in ((twice, {}), ({}, keys)):
        with pytest.raises(Malformed, match="only once"):
            project_key(headers, query)
    assert project_key({"x-bunbase-key": "sk_1"}, keys) == "sk_1"  # In this case, `key` is a parameter of the function.


def test_a_secret_key_in_the_query_is_refused() -> None:
    with pytest.raises(InvalidKey, match="rotate this key"):
        project_key({}, {"key": "sk_1"})


def test_a_key_that_is_too_long_is_truncated() -> None:
    assert len(project_key({"x-bunbase-key": "x" * 100_000}, {})) == MAX_LENGTH


@pytest.mark.parametrize(
    ("peer", "forwarded", "ip"),
    [
        (CLIENT, [], CLIENT),
        (CLIENT, ["198.51.100.1"], CLIENT),  # any client can send this header
        (PROXY, [CLIENT], CLIENT),
        (PROXY, [f"198.51.100.1, {CLIENT}"], CLIENT),
        (PROXY, [f"198.51.100.1 ,{CLIENT} , {OTHER_PROXY}"], CLIENT),
        (PROXY, ["198.51.100.1", CLIENT], CLIENT),  # the client invented the first line, and the proxy added the second
        (PROXY, ["", " , "], PROXY),
        (PROXY, [OTHER_PROXY], PROXY),
        (PROXY, [], PROXY),
        (PROXY, [f"{CLIENT}:4711"], CLIENT),
        (PROXY, ["[2001:DB8::0001]:4711"], "2001:db8::1"),
        (PROXY, [f"{CLIENT}, <script>"], PROXY),  # the last entry is no address
        (PROXY, [f"<script>, {CLIENT}"], CLIENT),
        (f"::ffff:{PROXY}", [f"::ffff:{CLIENT}"], CLIENT),
        ("::ffff:203.0.113.9", [CLIENT], "203.0.113.9"),
        ("", [CLIENT], ""),
    ],
)
def test_only_a_trusted_proxy_may_name_the_clients_address(peer: str, forwarded: list[str], ip: str) -> None:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    scope: Any = {"type": "http", "client": (peer, 1), "headers": headers, "query_string": b"", "path": "/"}

    assert client_ip(Request(scope), Proxies((PROXY, OTHER_PROXY))) == ip


@pytest.mark.parametrize(
    ("trusted", "peer", "believed"),
    [
        ("10.0.0.0/8", "10.200.3.4", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.1/8", "10.0.0.9", True),  # this is a network, written as one of its addresses
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "10.0.0.1", False),
        ("FD00:0::1", "fd00::1", True),
        ("203.0.113.8/30", "203.0.113.9", True),
    ],
)
def test_a_network_may_be_named_as_trusted_proxies(trusted: str, peer: str, believed: bool) -> None:
    assert (peer in Proxies((trusted,))) is believed
    assert caller_address(peer, [CLIENT], Proxies((trusted,))) == (CLIENT if believed else peer)


@pytest.mark.parametrize("trusted", ["proxy.example.com", "10.0.0.0/33", "", "*"])
def test_a_start_with_a_trusted_proxy_that_is_no_address_or_network_fails(trusted: str) -> None:
    with pytest.raises(CannotStart, match="trusted_proxies"):
        Proxies((trusted,))
