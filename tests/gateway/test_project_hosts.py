"""Each project can have its own host. Only the functions of the project are reachable there, in both lanes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.invocations import Head, Invocation
from bunbase.contracts.revocations import RevokedKind
from bunbase.gateway.project_hosts import ProjectHosts, project_hosts
from bunbase.gateway.settings import GatewaySettings
from bunbase.pkg.errors import CannotStart
from tests.gateway.lanes import Served, served
from tests.gateway.others import BAKERY, LIBRARYS, PUBLISHABLE, SECRET

PATIENCE_SECONDS = 20.0
OWN = "host: bakery.fn.example.com"
KEY = f"x-bunbase-key: {SECRET}"


class Telling:
    """A function that returns the arguments of its call."""

    async def invoke(self, caller: Caller, name: str, invocation: Invocation) -> AsyncIterator[Head]:
        body = msgspec.json.encode([name, invocation.path, invocation.own_host, caller.project, caller.kind])
        yield Head(200, (), 1, "inv_1", 0.0, False, body)

    async def feed(self, *_: Any) -> None: ...


@pytest_asyncio.fixture(params=[True, False], ids=["fast lane", "ordinary lane"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    settings = GatewaySettings(fast_lane=request.param)
    async with served(tmp_path, settings, functions=Telling(), functions_host="*.fn.example.com") as made:
        yield made


async def ask(door: Served, line: str, *headers: str) -> tuple[int, Any]:
    """Send a request with only the given headers; `lanes.request` would add a Host header."""
    async with door.connected() as connection:
        connection.send("\r\n".join([f"{line} HTTP/1.1", *headers, "", ""]).encode())
        reply = await connection.reply()
        return reply.status, msgspec.json.decode(reply.body) if reply.body else None


@pytest.mark.parametrize("host", ["bakery.fn.example.com", "BAKERY.FN.example.com:8443", "bakery.fn.example.com."])
async def test_a_projects_host_leads_to_its_functions(door: Served, host: str) -> None:
    """The URL is `https://<slug>.fn.example.com/<name>/…`."""
    for key in ((), (KEY,), (f"x-bunbase-key: {PUBLISHABLE}",)):
        kind = "secret" if key == (KEY,) else "publishable" if key else "anonymous"

        answer = await ask(door, "GET /hello/a%2Fb//c?project=prj_library&x=1", f"host: {host}", *key)

        assert answer == (200, ["hello", "/a%2Fb//c?project=prj_library&x=1", True, BAKERY, kind])


async def test_hosts_outside_the_wildcard_serve_the_api(door: Served) -> None:
    for host in ("api.example.com", "bakery.fn.example.com.evil.example", "xfn.example.com", "test"):
        assert await ask(door, "GET /v1/functions/hello", f"host: {host}", KEY) == (
            200,
            ["hello", "/", False, BAKERY, "secret"],
        )
        control_plane = await ask(door, "GET /api/health", f"host: {host}")
        assert control_plane[0] == (
            200 if host == "test" else 403
        )  # in dev mode, the control plane serves local hosts only


@pytest.mark.parametrize(
    "path",
    [
        "/api/health",
        "/api/auth/me",
        "/v1/data/posts",
        "/v1/data/posts/d1",
        "/v1/functions/hello",
        "/.well-known/jwks.json",
        "/../api/health",
        "/../../api/health",
        "/x/../../../api/health",
        "/%2e%2e/%2e%2e/api/health",
        "/..%2f..%2fapi%2fhealth",
        "//api/health",
        "/metrics",
        "/",
    ],
)
async def test_a_projects_host_serves_nothing_but_functions(door: Served, path: str) -> None:
    """The API and other projects' data are not reachable on a project's host."""
    status, answer = await ask(door, f"GET {path}", OWN, KEY)

    if status == 200:
        assert answer[2:] == [True, BAKERY, "secret"]  # A function of that name was called.
    else:
        assert status == 404
    assert door.hot.taken == 0


async def test_a_projects_host_refuses_a_key_of_another_project(door: Served) -> None:
    status, answer = await ask(door, "GET /hello", OWN, f"x-bunbase-key: {LIBRARYS}")
    assert (status, answer["code"]) == (401, "invalid_key")

    status, answer = await ask(door, f"GET /hello?key={LIBRARYS}", OWN)
    assert (status, answer["code"]) == (401, "invalid_key")


@pytest.mark.parametrize("host", ["nobody.fn.example.com", "a.bakery.fn.example.com", ".fn.example.com"])
async def test_a_host_of_no_project_gets_404(door: Served, host: str) -> None:
    for line in ("GET /hello", "GET /v1/functions/hello", "GET /api/health"):
        status, answer = await ask(door, line, f"host: {host}", KEY)
        assert status == 404
        assert answer["code"] in ("project_not_found", "not_found")


@pytest.mark.parametrize("fast", [True, False], ids=["fast lane", "ordinary lane"])
@pytest.mark.parametrize("host", ["localhost", "localhost:7190", "LOCALHOST."])
async def test_the_parent_domain_of_the_wildcard_serves_the_api(tmp_path: Path, host: str, fast: bool) -> None:
    """`functions.host = "*.localhost"` leaves `http://localhost:<port>` to the API."""
    settings = GatewaySettings(fast_lane=fast)
    async with served(tmp_path, settings, functions=Telling(), functions_host="*.localhost") as door:
        health = await ask(door, "GET /api/health", f"host: {host}")
        shared = await ask(door, "GET /v1/functions/hello", f"host: {host}", KEY)
        listed = await ask(door, "GET /v1/data/posts", f"host: {host}", KEY)
        own = await ask(door, "GET /hello", "host: bakery.localhost")

        assert (health[0], shared, listed[0]) == (200, (200, ["hello", "/", False, BAKERY, "secret"]), 200)
        assert own == (200, ["hello", "/", True, BAKERY, "anonymous"])
        assert door.hot.taken == (2 if fast else 0)


def test_the_api_may_be_at_localhost_while_projects_are_below_it() -> None:
    assert project_hosts("*.localhost", "http://localhost:7190").suffix == ".localhost"


async def test_the_host_of_a_deleted_project_gets_404(door: Served) -> None:
    asked = -1
    async with asyncio.timeout(PATIENCE_SECONDS):
        while asked != door.platform.calls["project_of"]:  # The gateway caches the project when it follows deletions.
            asked = door.platform.calls["project_of"]
            assert (await ask(door, "GET /hello", OWN))[0] == 200

        door.platform.roles.clear()
        door.platform.tell(RevokedKind.PROJECT, BAKERY)

        while (await ask(door, "GET /hello", OWN))[0] != 404:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("wildcard", ["fn.example.com", "*", "*.", "*.fn.example.com:8443", "*.*.com", "https://*.a.b"])
def test_a_start_with_a_functions_host_that_is_no_wildcard_fails(wildcard: str) -> None:
    with pytest.raises(CannotStart, match="is not a wildcard"):
        project_hosts(wildcard, "https://api.example.com")


@pytest.mark.parametrize(
    "public_url", ["https://api.example.com", "https://a.b.example.com:8443", "https://example.com"]
)
def test_a_start_with_a_wildcard_that_covers_the_api_fails(public_url: str) -> None:
    """Without this refusal, `api` would count as the slug of a project."""
    with pytest.raises(CannotStart, match="conflicts"):
        project_hosts("*.example.com", public_url)


def test_without_the_setting_no_host_belongs_to_a_project() -> None:
    assert project_hosts("", "https://api.example.com").slug([(b"host", b"bakery.fn.example.com")]) is None
    assert ProjectHosts(".fn.example.com").slug([]) is None
