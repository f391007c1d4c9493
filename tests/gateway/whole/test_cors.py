from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bunbase.gateway.settings import GatewaySettings
from tests.gateway.door import Door, door_of
from tests.gateway.others import PASSWORD, SECRET

SITE, STRANGER = "https://app.example.com", "https://evil.example.com"
ASKING = {"access-control-request-method": "PATCH", "access-control-request-headers": "x-bunbase-key, if-match"}


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    async with door_of(mode="production") as opened:
        yield opened


@pytest.mark.parametrize("path", ["/v1/data/posts/p1", "/api/auth/login", "/v1/functions/hello/deep/path", "/nothing"])
async def test_a_preflight_is_answered_with_the_allowed_headers(door: Door, path: str) -> None:
    answer = await door.http.options(path, headers={"origin": SITE, **ASKING})

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-bunbase-key" in answer.headers["access-control-allow-headers"].lower() or (
        answer.headers["access-control-allow-headers"] == "*"
    )
    assert answer.headers["access-control-max-age"] == "7200"
    assert "access-control-allow-credentials" not in answer.headers


async def test_answers_and_problems_have_cors_headers_that_expose_etag_and_retry_after(door: Door) -> None:
    for path, status in (("/v1/data/posts", 200), ("/v1/data/posts?nonsense=1", 400), ("/nothing", 404)):
        answer = await door.http.get(path, headers={"origin": SITE, "x-bunbase-key": SECRET})

        exposed = answer.headers["access-control-expose-headers"].lower()
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "*"
        assert {"etag", "x-request-id", "retry-after"} <= {name.strip() for name in exposed.split(",")}


async def test_a_request_without_an_origin_gets_no_cors_headers(door: Door) -> None:
    answer = await door.http.get("/api/health")

    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_if_origins_are_listed_then_no_other_origin_may_read() -> None:
    async with door_of(GatewaySettings(cors_origins=(SITE,))) as door:
        welcome = await door.http.get("/api/health", headers={"origin": SITE})
        stranger = await door.http.get("/api/health", headers={"origin": STRANGER})
        asking = await door.http.options("/api/health", headers={"origin": STRANGER, **ASKING})

    assert welcome.headers["access-control-allow-origin"] == SITE
    assert "access-control-allow-origin" not in stranger.headers
    assert asking.status_code == 400
    assert asking.headers["content-type"] == "application/problem+json"
    assert (asking.json()["code"], asking.json()["request_id"]) == (
        "preflight_refused",
        asking.headers["x-request-id"],
    )
    assert asking.headers.get("access-control-allow-origin") != STRANGER


async def test_a_client_of_the_openid_provider_may_be_a_page_of_any_origin() -> None:
    async with door_of(GatewaySettings(cors_origins=(SITE,)), mode="production") as door:
        asking = await door.http.options("/oauth/userinfo", headers={"origin": STRANGER, **ASKING})
        answer = await door.http.get("/oauth/userinfo", headers={"origin": STRANGER})
        page = await door.http.options("/oauth/sign-in", headers={"origin": STRANGER, **ASKING})

    assert (asking.status_code, asking.headers["access-control-allow-origin"]) == (204, STRANGER)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert page.status_code == 400


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost", True),
        ("http://localhost:5173", True),
        ("https://localhost:3000", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://shop.localhost:3000", True),
        ("https://a.b.localhost", True),
        (SITE, False),
        ("null", False),
        ("http://localhost.evil.com", False),
        ("http://evillocalhost", False),
        ("http://evil.com/.localhost", False),
        ("http://127.0.0.1.evil.com", False),
        ("http://127.0.0.10", False),
        ("http://192.168.1.5:5173", False),
        ("ftp://localhost", False),
        ("http://localhost:5173@evil.com", False),
        ("http://localhost:", False),
    ],
)
async def test_in_dev_mode_only_pages_of_this_machine_may_read_and_write(origin: str, allowed: bool) -> None:
    """A page of another site cannot register an account and cannot read an answer."""
    body = {"email": "eve@example.com", "password": PASSWORD}
    async with door_of() as door:
        asking = await door.http.options("/api/auth/register", headers={"origin": origin, **ASKING})
        sent = await door.http.post("/api/auth/register", json=body, headers={"origin": origin})
        read = await door.http.get("/api/health", headers={"origin": origin})

    told = [answer.headers.get("access-control-allow-origin") == origin for answer in (asking, sent, read)]
    assert told == [allowed] * 3
    assert asking.is_success == allowed
    assert (sent.status_code == 201) == allowed
    assert allowed or sent.json()["code"] == "origin_refused"
    assert door.bunauth.calls["login"] == (1 if allowed else 0)


async def test_in_dev_mode_the_setting_can_allow_more_origins_or_all() -> None:
    for origins, welcome in ((("auto", SITE), (SITE, "http://localhost:1")), (("*",), (SITE, STRANGER))):
        async with door_of(GatewaySettings(cors_origins=origins)) as door:
            for origin in welcome:
                answer = await door.http.post("/api/auth/logout", headers={"origin": origin})
                assert answer.json()["code"] == "unauthenticated"
                assert answer.headers["access-control-allow-origin"] in ("*", origin)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/plain", '{"email": "eve@example.com", "password": "correct horse battery"}'),
        (
            "application/x-www-form-urlencoded",
            '{"email":"eve@example.com","password":"correct horse battery","name":"="}',
        ),
        ("multipart/form-data; boundary=x", '{"email": "eve@example.com", "password": "correct horse battery"}'),
        ("", '{"email": "eve@example.com", "password": "correct horse battery"}'),  # this is a Blob without a type
    ],
)
@pytest.mark.parametrize("path", ["/api/auth/register", "/api/auth/login", "/v1/auth/signup?key=pk_bakery", "/rpc"])
@pytest.mark.parametrize("mode", ["dev", "production"])
async def test_a_json_route_refuses_a_request_that_needs_no_preflight(
    path: str, kind: str, content: str, mode: str
) -> None:
    """A simple request (Fetch §2.2.2) has no Content-Type, or another Content-Type than JSON."""
    headers = {"origin": "http://localhost:3000" if mode == "dev" else SITE} | ({"content-type": kind} if kind else {})
    async with door_of(mode=mode) as door:
        answer = await door.http.post(path, content=content, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert not door.bunauth.calls["login"]
    assert not door.tenant_auth.calls["login"]


async def test_a_request_without_an_origin_needs_no_content_type(door: Door) -> None:
    answer = await door.http.post("/api/auth/login", content=b'{"email": "a@b.c", "password": "x"}')

    assert answer.json()["code"] == "invalid_credentials"


async def test_a_function_that_sets_a_cors_header_has_set_all_of_them(door: Door) -> None:
    """The gateway once overwrote some of a function's headers, so that they contradicted each other."""
    for origin in (SITE, "https://only.example"):
        answer = await door.http.get("/v1/functions/sharing", headers={"origin": origin, "x-bunbase-key": SECRET})

        told = {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}
        assert told == {"access-control-allow-origin": "https://only.example"}


async def test_options_without_a_requested_method_reaches_the_function(door: Door) -> None:
    """Such a request is no preflight (Fetch standard, CORS-preflight request)."""
    headers = {"origin": SITE, "x-bunbase-key": SECRET}

    asked = await door.http.options("/v1/functions/echo", headers=headers)
    preflight = await door.http.options("/v1/functions/echo", headers=headers | ASKING)
    listed = await door.http.options("/v1/data/posts/p1", headers=headers)

    assert (asked.status_code, asked.json()[0]) == (201, "OPTIONS")
    assert asked.headers["access-control-allow-origin"] == "*"
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert "PATCH" in listed.headers["allow"]
