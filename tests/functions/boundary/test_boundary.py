"""Headers that cross the boundary of a function, in both directions. These tests need no worker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.functions.boundary.arriving import headers_for_function, without_key
from bunbase.functions.boundary.cookies import for_function, is_ours, on_own_host, on_shared_host
from bunbase.functions.boundary.leaving import CONFINED, headers_for_client
from bunbase.functions.workers.far_reaching import reaches_far

PATH = "/v1/functions/f"


@given(st.from_regex(r"x-bunbase-[a-z-]{0,20}", fullmatch=True), st.text(max_size=20))
def test_no_header_with_our_prefix_reaches_a_function(name: str, value: str) -> None:
    """Headers are removed by prefix, not by a list."""
    sent = ((name, value), ("authorization", "Bearer x"), ("x-own", "1"))

    assert headers_for_function(sent, "prj_one") == (("x-own", "1"),)


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("/a?key=pk_1", "/a"),
        ("/a?key=pk_1&b=2", "/a?b=2"),
        ("/a?b=2&key=pk_1&c=3", "/a?b=2&c=3"),
        ("/?k%65y=p%6b_1", "/"),
        ("/?key=%20pk_1&key=sk_1&key=own", "/?key=own"),
        ("/?key=own&key=pk_1", "/?key=own"),
        ("/?project=prj_1&keys=pk_1&a=key%3Dpk_1", "/?project=prj_1&keys=pk_1&a=key%3Dpk_1"),
        ("/?", "/?"),
        ("/key=pk_1", "/key=pk_1"),
        ("/?a=%2F+x&&=&b", "/?a=%2F+x&&=&b"),
    ],
)
def test_a_project_key_is_removed_from_the_address(sent: str, arrives: str) -> None:
    """`key` is removed from request.url."""
    assert without_key(sent) == arrives


def test_a_project_key_is_removed_from_the_referer() -> None:
    """The key is removed from the query of the Referer, too."""
    sent = (("referer", "https://a.example/v1/functions/f?key=pk_1&a=1#b"),)

    assert headers_for_function(sent, "prj_one") == (("referer", "https://a.example/v1/functions/f?a=1#b"),)


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("a=b", "a=b"),
        ("bb_prj_one=t; a=b; bb_=x; __Host-bb_console=t; __host-BB_x=1; __Secure-bb_y=2; __Host-Http-bb_z=3", "a=b"),
        ("prj_one.sid=1; prj_two.sid=2; sid=3", "sid=1; sid=3"),
        ("prj_one.bb_x=1; bb_x", ""),
        ('a="b; c";d=e; ;f', 'a="b; c"; d=e; f'),
        (" \tbb_x = 1", ""),
    ],
)
def test_only_the_projects_own_cookies_reach_a_function(sent: str, arrives: str) -> None:
    """Neither our cookies nor those of another project's functions reach a function."""
    assert for_function(sent, "prj_one") == arrives


@pytest.mark.parametrize("name", ["bb_prj_one", "BB_x", "__Host-bb_console", "__host-Bb_x", "__Secure-bb_x", " bb_x"])
@pytest.mark.parametrize("write", ["{}=v", "{} =v; Path=/", "={}=v", "{}", "\t{}=v; Secure"])
def test_no_cookie_with_our_prefix_can_be_set(name: str, write: str) -> None:
    """A function never sets cookies with our prefix; browsers send `=bb_x=1` back as `bb_x=1`."""
    cookie = write.format(name)

    assert on_shared_host(cookie, "prj_one", PATH) is None
    assert on_own_host(cookie) is None


@given(st.text("b_BHosty=;-. \tp1rj", max_size=24))
def test_every_cookie_that_is_set_comes_back_to_its_project_only(cookie: str) -> None:
    """The test reads and returns cookies in the same way as a browser."""
    for left in (on_shared_host(cookie, "prj_one", PATH), on_own_host(cookie)):
        if left is None:
            continue
        name = left.partition(";")[0].partition("=")[0]
        assert name
        assert not is_ours(name)
        assert name == name.strip()
    shared = on_shared_host(cookie, "prj_one", PATH)
    if shared is not None:
        sent = shared.partition(";")[0]
        assert sent.startswith("prj_one.")
        assert for_function(sent, "prj_two") == ""
        assert shared.endswith(f"; Path={PATH}")


@pytest.mark.parametrize(
    ("set_cookie", "shared", "own"),
    [
        ("a=1", "prj_one.a=1; Path=/v1/functions/f", "a=1"),
        ("a=1; Path=/", "prj_one.a=1; Path=/v1/functions/f", "a=1; Path=/"),
        (
            "a=1; path = /x; DOMAIN=example.com; HttpOnly; Max-Age=5",
            "prj_one.a=1; HttpOnly; Max-Age=5; Path=/v1/functions/f",
            "a=1; path = /x; HttpOnly; Max-Age=5",
        ),
        ("__Host-a=1; Secure; Path=/", None, "__Host-a=1; Secure; Path=/"),
        ("a=b=c; domain", "prj_one.a=b=c; Path=/v1/functions/f", "a=b=c"),
    ],
)
def test_the_domain_and_path_of_a_cookie_are_limited_to_its_function(
    set_cookie: str, shared: str | None, own: str
) -> None:
    """On a shared host a cookie has the function's path and no domain."""
    assert on_shared_host(set_cookie, "prj_one", PATH) == shared
    assert on_own_host(set_cookie) == own


FAR = [
    "accept-ch",
    "accept-ch-lifetime",
    "alt-svc",
    "clear-site-data",
    "critical-ch",
    "expect-ct",
    "nel",
    "origin-agent-cluster",
    "origin-trial",
    "public-key-pins",
    "public-key-pins-report-only",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "set-cookie2",
    "date",
    "strict-transport-security",
    "x-content-type-options",
    "x-request-id",
    "x-bunbase-invocation",
    "x-bunbase-anything",
    "set-login",
    "sec-session-registration",
    "secure-session-registration",
    "use-as-dictionary",
    "proxy-authenticate",
    "x-accel-redirect",
    "x-accel-limit-rate",
    "x-sendfile",
    "x-lighttpd-send-file",
    "x-reproxy-url",
    "surrogate-control",
    "shared-storage-write",
]
NEAR = [
    "content-type",
    "location",
    "refresh",
    "content-disposition",
    "x-accel-buffering",
    "cache-control",
    "vary",
    "etag",
    "x-own",
    "content-security-policy",
    "permissions-policy",
    "access-control-allow-origin",
    "referrer-policy",
    "set-cookie",
]


@pytest.mark.parametrize("name", FAR)
def test_a_header_with_an_effect_beyond_the_answer_is_dropped(name: str) -> None:
    """Such a header would affect other pages of the host, the server or a proxy."""
    assert reaches_far(name, "x")


@pytest.mark.parametrize("name", NEAR)
def test_a_header_that_affects_only_the_answer_stays(name: str) -> None:
    assert not reaches_far(name, "x")


@pytest.mark.parametrize(
    ("name", "value", "far"),
    [
        ("link", "<https://a.example/x.css>; rel=preload; as=style", False),
        ("link", "<sw.js>; rel=ServiceWorker; scope=/", True),
        ("link", '<d>; rel="compression-dictionary"', True),
        ("www-authenticate", "Bearer", False),
        ("www-authenticate", 'Bearer realm="a", error="invalid_token", resource_metadata="https://a/b"', False),
        ("www-authenticate", 'Basic realm="Sign in again"', True),
        ("www-authenticate", 'Bearer realm="a", Basic realm="b"', True),
        ("www-authenticate", "Bearer, Basic", True),
        ("www-authenticate", "Negotiate", True),
        ("www-authenticate", "", True),
    ],
)
def test_headers_with_dangerous_values_are_dropped(name: str, value: str, far: bool) -> None:
    """With a Basic challenge, a browser would ask for a password on behalf of the whole host."""
    assert reaches_far(name, value) is far


def test_on_a_shared_host_every_answer_gets_an_additional_security_policy() -> None:
    """A sandbox policy is added to the policy that the function sets."""
    own = (("content-security-policy", "default-src 'none'"), ("set-cookie", "bb_x=1"), ("content-type", "text/html"))

    assert headers_for_client(own, "prj_one", "f", own_host=False) == (own[0], own[2], *CONFINED)
    assert headers_for_client(own, "prj_one", "f", own_host=True) == (own[0], own[2])
