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
async def test_in_dev_mode_the_control_plane_refuses_hosts_that_are_not_local(host: str, answered: bool) -> None:
    """With DNS rebinding a foreign page has the origin of this server, and CORS does not stop it."""
    async with door_of() as door:
        read = await door.http.get("/api/instance", headers={"host": host})
        sent = await door.http.post("/api/auth/login", json={}, headers={"host": host, "origin": f"http://{host}"})
        data = await door.http.get("/v1/data/posts", headers={"host": host, "x-bunbase-key": PUBLISHABLE})

    assert read.status_code == (200 if answered else 403)
    assert answered or read.json()["code"] == "host_refused"
    assert sent.status_code == (422 if answered else 403)
    assert data.status_code == 200


def test_the_host_and_the_origin_of_the_public_url_are_allowed() -> None:
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
    """A substitute for the app behind the guard."""


async def test_a_page_of_a_function_may_write_to_its_own_origin_only() -> None:
    headers = {"host": "192.168.1.5:7070", "x-bunbase-key": PUBLISHABLE}
    async with door_of() as door:
        own = await door.http.post("/v1/auth/login", json={}, headers=headers | {"origin": "http://192.168.1.5:7070"})
        other = await door.http.post("/v1/auth/login", json={}, headers=headers | {"origin": "http://192.168.1.5:80"})

    assert (own.status_code, other.status_code) == (422, 403)


async def test_a_sandboxed_page_may_send_a_form_to_functions_only() -> None:
    """A page of a function on the shared host has the origin `null`, in every mode (decision 0036)."""
    headers = {"x-bunbase-key": PUBLISHABLE, "origin": "null"}
    async with door_of() as door:
        form = await door.http.post("/v1/functions/echo", data={"a": "1"}, headers=headers)
        nobody = await door.http.post("/v1/functions/echo", data={"a": "1"}, headers={"origin": "null"})
        others = [
            (await door.http.post(path, json={}, headers=headers)).json()["code"]
            for path in ("/v1/auth/login", "/v1/data/posts", "/api/auth/login", "/rpc")
        ]

    assert (form.status_code, nobody.status_code) == (201, 401)
    assert others == ["origin_refused"] * 4


def test_on_a_projects_own_host_the_origin_null_is_refused() -> None:
    guard = LocalGuard(no_app, allowed=lambda _: False, own="http://localhost:7070")
    sent = Headers({"host": "shop.fn.localhost:7070", "origin": "null"})

    guard.check("POST", "/v1/functions/echo", sent)
    with pytest.raises(OriginRefused):
        guard.check("POST", "/v1/functions/echo", sent, on_own_host=True)


async def test_in_production_every_host_is_answered() -> None:
    async with door_of(mode="production") as door:
        answer = await door.http.get("/api/instance", headers={"host": "anything.example.com"})

    assert answer.status_code == 200


@pytest.mark.parametrize("mode", ["dev", "production"])
async def test_a_form_with_the_origin_null_and_a_key_reaches_a_function(mode: str) -> None:
    """On the host that projects share, pages of functions are sandboxed: their origin is `null`."""
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
async def test_in_dev_mode_the_origin_null_reaches_functions_only(path: str) -> None:
    """Any site can open a sandboxed frame, which has the origin `null`."""
    async with door_of() as door:
        answer = await door.http.post(path, json={}, headers={"origin": "null", "x-bunbase-key": PUBLISHABLE})

    assert answer.status_code in (403, 404, 405)
    assert not door.tenant_auth.calls["login"]
