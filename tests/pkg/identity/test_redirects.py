from __future__ import annotations

import pytest

from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.redirects import fault_in_entry, listed_redirect, with_parameters

ALLOWED = ("https://app.example", "https://other.example/signed-in/", "http://127.0.0.1", "com.example.app://done")
PUBLIC = "https://bunbase.example"


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example",
        "https://app.example/",
        "https://app.example/any/page?next=1",
        "https://other.example/signed-in",
        "https://other.example/signed-in/now",
        "http://127.0.0.1:49152/callback",
        "com.example.app://done",
    ],
)
def test_an_address_at_or_below_an_entry_is_allowed(url: str) -> None:
    assert listed_redirect(url, ALLOWED, PUBLIC) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/relative",
        "//app.example/",
        "http://app.example/",
        "https://app.example:8443/",
        "https://app.example.evil.example/",
        "https://evil.example/https://app.example",
        "https://app.example@evil.example/",
        "https://app.example\\@evil.example/",
        "https://app.example/#code",
        "https://app.example:port/",
        "https://other.example/signed-in-elsewhere",
        "https://other.example/signed-in/../open",
        "https://other.example/signed-in/%2e%2e/open",
        "https://other.example/signed-in//evil.example",
        "http://127.0.0.2:49152/callback",
        "https://127.0.0.1:49152/callback",
        "http://localhost:49152/callback",
        "javascript:alert(1)",
        "https://app.example/\n",
        "https://app.example/" + "a" * 500,
    ],
)
def test_every_other_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        listed_redirect(url, ALLOWED, PUBLIC)


def test_parameters_are_added_to_those_of_the_address() -> None:
    assert with_parameters("https://app.example/", code="a&b") == "https://app.example/?code=a%26b"
    assert with_parameters("https://app.example/?a=1", code="c") == "https://app.example/?a=1&code=c"


OF_FUNCTIONS = [
    "https://bunbase.example/v1",
    "https://bunbase.example/v1/http/take",
    "https://bunbase.example/V1/http/take",
    "https://bunbase.example:443/v1/http/take",
    "https://bunbase.example./v1/http/take",
    "https://bunbase.example/./v1/http/take",
    "https://bunbase.example//v1/http/take",
    "https://bunbase.example/%761/http/take",
]


@pytest.mark.parametrize(
    "url",
    [
        "https://other.name.example/v1/functions/take",
        "https://other.name.example/V1/Functions",
        "https://other.name.example/v1/./functions/take",
        "https://other.name.example/app/./v1/././functions/take",
        "http://127.0.0.1:7070/v1/data/take",
        "http://[::1]:7070/v1",
        "http://bakery.localhost:7070/v1/functions/take",
        "http://localhost.:7070/v1/auth/ui",
    ],
)
def test_functions_get_no_codes_under_another_name_of_the_installation(url: str) -> None:
    public, origin = "http://localhost:7070", url.partition("/V1")[0].partition("/v1")[0].partition("/app")[0]

    assert fault_in_entry(url, public)
    with pytest.raises(InvalidInput):
        listed_redirect(url, (origin, url), public)
    for app in (f"{origin}/app", "http://localhost:5173/v1/signed-in", "https://app.example/v1/signed-in"):
        assert fault_in_entry(app, public) is None
        assert listed_redirect(app, (app,), public) == app


@pytest.mark.parametrize("url", OF_FUNCTIONS)
def test_functions_of_projects_get_no_codes_of_sign_ins(url: str) -> None:
    allowed = ("https://bunbase.example", "https://bunbase.example:443", "https://bunbase.example.")

    with pytest.raises(InvalidInput):
        listed_redirect(url, allowed, PUBLIC)
    assert fault_in_entry(url, PUBLIC)
    assert fault_in_entry("https://bunbase.example/app/", PUBLIC) is None
    assert listed_redirect("https://bunbase.example/app/", allowed, PUBLIC)
