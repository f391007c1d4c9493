from __future__ import annotations

from typing import Any

import pytest
from litestar.datastructures import Headers

from bunbase.gateway.local_guard import HostRefused, LocalGuard, OriginRefused
from tests.gateway.door import door_of
from tests.gateway.others import PUBLISHABLE


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("localhost:7070", True),
        ("LOCALHOST", True),
        ("localhost.:7070", True),
        ("127.0.0.1:7070", True),
        ("[::1]:7070", True),
        ("192.168.1.5:7070", True),
        ("shop.localhost:7070", True),
        ("bunbase:7070", True),
        ("my-laptop.local:7070", True),
        ("host.docker.internal:7070", True),
        ("evil.example.com", False),
        ("evil.example.com:7070", False),
        ("localhost.evil.example.com:7070", False),
        ("127.0.0.1.nip.io:7070", False),
        ("localhost@evil.com", False),
        ("evil.com:7070:7070", False),
    ],
)
async def test_in_dev_a_name_that_somebody_else_owns_does_not_lead_to_the_control_plane(
    host: str, answered: bool
) -> None:
    """Security 17: DNS rebinding. A page whose name leads here is of the same origin: CORS does not hold it back."""
    async with door_of() as door:
        read = await door.http.get("/api/instance", headers={"host": host})
        sent = await door.http.post("/api/auth/login", json={}, headers={"host": host, "origin": f"http://{host}"})
        data = await door.http.get("/v1/data/posts", headers={"host": host, "x-bunbase-key": PUBLISHABLE})

    assert read.status_code == (200 if answered else 403)
    assert answered or read.json()["code"] == "host_refused"
    assert sent.status_code == (422 if answered else 403)
    assert data.status_code == 200


def test_the_public_url_is_a_name_of_this_machine_and_its_pages_are_ours() -> None:
    own = "dev.example.com:8443"

    def check(host: str, origin: str) -> None:
        guard = LocalGuard(no_app, allowed=lambda _: False, own=f"https://{own}")
        guard.check("POST", "/api/auth/login", Headers({"host": host, "origin": origin}))

    check(own, f"https://{own}")
    check("DEV.example.com", "https://dev.example.com")
    with pytest.raises(OriginRefused):
        check(own, "https://evil.example.com")
    with pytest.raises(HostRefused):
        check("evil.example.com", "https://evil.example.com")


async def no_app(*_: Any) -> None:
    """Nothing stands behind the guard."""


async def test_a_page_that_a_function_serves_may_write_to_where_it_came_from() -> None:
    headers = {"host": "192.168.1.5:7070", "x-bunbase-key": PUBLISHABLE}
    async with door_of() as door:
        own = await door.http.post("/v1/auth/login", json={}, headers=headers | {"origin": "http://192.168.1.5:7070"})
        other = await door.http.post("/v1/auth/login", json={}, headers=headers | {"origin": "http://192.168.1.5:80"})

    assert (own.status_code, other.status_code) == (422, 403)


async def test_in_production_the_proxy_decides_which_names_lead_here() -> None:
    async with door_of(mode="production") as door:
        answer = await door.http.get("/api/instance", headers={"host": "anything.example.com"})

    assert answer.status_code == 200


@pytest.mark.parametrize("mode", ["dev", "production"])
async def test_a_form_of_a_functions_own_page_reaches_functions(mode: str) -> None:
    """Such a page is sandboxed where projects share a host: its origin is `null`."""
    form = {"origin": "null", "content-type": "application/x-www-form-urlencoded"}
    async with door_of(mode=mode) as door:
        own = await door.http.post(f"/v1/functions/echo?key={PUBLISHABLE}", content="a=1", headers=form)
        keyless = await door.http.post("/v1/functions/echo", content="a=1", headers=form)

    assert own.status_code == 201
    assert (keyless.status_code, keyless.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/functions",
        "/v1/functionsx/echo",
        "/v1/data/posts",
        "/v1/auth/login",
        "/v1/commit",
        "/api/auth/register",
        "/api/projects/bakery/functions/echo",
        "/rpc",
        "/v1/functions/../auth/login",
    ],
)
async def test_in_dev_a_page_without_an_origin_reaches_nothing_else(path: str) -> None:
    """Security 17: any site can make a sandboxed frame, whose origin is `null`."""
    async with door_of() as door:
        answer = await door.http.post(path, json={}, headers={"origin": "null", "x-bunbase-key": PUBLISHABLE})

    assert answer.status_code in (403, 404, 405)
    assert not door.tenant_auth.calls["login"]
