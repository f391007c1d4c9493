from __future__ import annotations

import pytest

from bunbase.pkg.openid_provider.redirect_uris import (
    UnsuitableUri,
    check_redirect_uri,
    form_target,
    is_registered,
    with_parameters,
)

SUITABLE = (
    "https://shop.example/callback",
    "https://shop.example:8443/callback?from=bunbase",
    "http://127.0.0.1/callback",
    "http://[::1]/callback",
    "http://localhost:3000/callback",
    "com.example.app:/callback",
)
UNSUITABLE = (
    "",
    "/callback",
    "//shop.example/callback",
    "shop.example/callback",
    "http://shop.example/callback",
    "https://shop.example/#fragment",
    "https://user@shop.example/",
    "https://shop.example/ /",
    "https://*.shop.example/",
    "https:///callback",
    "https://shop.example:port/",
    "https://shop.example;script-src.example/",
    "https://shop.example/\r\nlocation:",
    "https://shöp.example/",
    "javascript:alert(1)",
    "javascript.a:/alert(1)//x\n",
    "data:text/html,x",
    "myapp:/callback",
    f"https://shop.example/{'x' * 500}",
)


@pytest.mark.parametrize("uri", SUITABLE)
def test_an_address_of_a_client_may_be_registered(uri: str) -> None:
    check_redirect_uri(uri, own_schemes=True)


@pytest.mark.parametrize("uri", UNSUITABLE, ids=lambda uri: uri[:40].encode("unicode_escape").decode())
def test_an_address_that_another_could_receive_may_not_be_registered(uri: str) -> None:
    with pytest.raises(UnsuitableUri):
        check_redirect_uri(uri, own_schemes=True)


def test_a_confidential_client_has_no_scheme_of_its_own() -> None:
    with pytest.raises(UnsuitableUri):
        check_redirect_uri("com.example.app:/callback", own_schemes=False)


@pytest.mark.parametrize(
    ("registered", "sent", "matches"),
    [
        ("https://shop.example/callback", "https://shop.example/callback", True),
        ("https://shop.example/callback", "https://shop.example/callback/", False),
        ("https://shop.example/callback", "https://SHOP.example/callback", False),
        ("https://shop.example/callback", "https://shop.example:443/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:53123/callback", True),
        ("http://127.0.0.1:1/callback", "http://127.0.0.1:2/callback", True),
        ("http://[::1]/callback", "http://[::1]:53123/callback", True),
        ("http://127.0.0.1/callback", "http://127.0.0.1:53123/other", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:53123/callback?next=x", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1.evil.example:80/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:80@evil.example/callback", False),
        ("http://127.0.0.1/callback", "https://127.0.0.1:53123/callback", False),
        ("http://127.0.0.1/callback", "http://[::1]:53123/callback", False),
        ("http://localhost:3000/callback", "http://localhost:3001/callback", False),
    ],
)
def test_only_the_port_of_a_loopback_address_is_free(registered: str, sent: str, matches: bool) -> None:
    assert is_registered(sent, (registered,)) is matches


def test_a_policy_names_the_origin_and_an_answer_keeps_the_query() -> None:
    assert form_target("https://shop.example:8443/callback?a=b") == "https://shop.example:8443"
    assert form_target("com.example.app:/callback") == "com.example.app:"
    assert with_parameters("https://shop.example/?a=b", code="x y", state="") == "https://shop.example/?a=b&code=x+y"
