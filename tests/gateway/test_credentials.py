from __future__ import annotations

from typing import Any

import pytest
from litestar import Request

from bunbase.contracts.bunauth import InvalidToken
from bunbase.contracts.platform import InvalidKey
from bunbase.gateway.credentials import MAX_LENGTH, bearer_token, client_ip, project_key

PROXY, OTHER_PROXY, CLIENT = "10.0.0.1", "10.0.0.2", "203.0.113.7"


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer abc", "abc"), ("BEARER   abc ", "abc"), ("", ""), ("Bearer a b", "a b")],
)
def test_a_bearer_token_is_what_follows_the_scheme(header: str, token: str) -> None:
    assert bearer_token({"authorization": header}) == token


def test_without_a_header_there_is_no_token() -> None:
    assert bearer_token({}) == ""


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "abc", "Bearer " + "x" * (MAX_LENGTH + 1)])
def test_what_is_no_bearer_token_is_refused_rather_than_ignored(header: str) -> None:
    with pytest.raises(InvalidToken):
        bearer_token({"authorization": header})


def test_a_key_comes_from_the_header_or_else_from_the_address() -> None:
    assert project_key({"x-bunbase-key": "sk_1"}, {"key": "pk_1"}) == "sk_1"
    assert project_key({}, {"key": "pk_1"}) == "pk_1"
    assert project_key({}, {}) == ""


def test_a_secret_key_in_an_address_is_refused() -> None:
    with pytest.raises(InvalidKey, match="rotate this one"):
        project_key({}, {"key": "sk_1"})


def test_a_key_beyond_all_measure_is_cut() -> None:
    assert len(project_key({"x-bunbase-key": "x" * 100_000}, {})) == MAX_LENGTH


@pytest.mark.parametrize(
    ("peer", "forwarded", "ip"),
    [
        (CLIENT, [], CLIENT),
        (CLIENT, ["198.51.100.1"], CLIENT),  # anybody can send that
        (PROXY, [CLIENT], CLIENT),
        (PROXY, [f"198.51.100.1, {CLIENT}"], CLIENT),
        (PROXY, [f"198.51.100.1 ,{CLIENT} , {OTHER_PROXY}"], CLIENT),
        (PROXY, ["198.51.100.1", CLIENT], CLIENT),  # the proxy added a line below one that was made up
        (PROXY, ["", " , "], PROXY),
        (PROXY, [OTHER_PROXY], PROXY),
        (PROXY, [], PROXY),
    ],
)
def test_an_address_is_believed_when_a_trusted_proxy_says_so(peer: str, forwarded: list[str], ip: str) -> None:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    scope: Any = {"type": "http", "client": (peer, 1), "headers": headers, "query_string": b"", "path": "/"}

    assert client_ip(Request(scope), (PROXY, OTHER_PROXY)) == ip
