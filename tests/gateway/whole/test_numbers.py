"""A malformed number in a query, path, header or body never causes a server error."""

from __future__ import annotations

import base64
import re
from typing import Any

import httpx
import msgspec
import pytest

from bunbase.pkg.errors import RateLimited
from tests.gateway.door import Door, FakeBundoc, FakeFunctions, door_of
from tests.gateway.others import SECRET, FakeBunAuth, FakePlatform, FakeTenantAuth
from tests.shared_openapi import openapi_document

NUMBERS = ["9" * 5000, "-" + "9" * 5000, "1" * 4301, "1e400", "-1e400", "nan", "inf", "1_0", "+1", " 1", "0x10", ""]
NUMBERS += ["\u00b2", "\u0663", "1.5", "9223372036854775808", "-1", "0", "7"]
HEADERS = ["last-event-id", "if-match", "if-none-match", "x-request-id", "x-forwarded-for", "content-length"]


@pytest.fixture(autouse=True)
def _rooms_that_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RateLimited

    for room in (FakeBunAuth, FakeBundoc, FakeFunctions, FakePlatform, FakeTenantAuth):
        monkeypatch.setattr(room, "__getattr__", lambda _self, _name: refuse, raising=False)
    for name in ("list", "create"):
        monkeypatch.setattr(FakeBundoc, name, refuse)


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Return method, path and OpenAPI object of every operation of the API."""
    document = msgspec.json.decode(openapi_document())
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def numeric(operation: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for parameter in operation.get("parameters", ()):
        schemas = [parameter["schema"], *parameter["schema"].get("oneOf", ()), *parameter["schema"].get("anyOf", ())]
        if any(schema.get("type") in ("integer", "number") for schema in schemas):
            found.append((parameter["in"], parameter["name"]))
    return found


async def ask(door: Door, method: str, path: str, **more: Any) -> httpx.Response:
    developer = path.startswith("/api/")
    headers = {"authorization": f"Bearer {door.bunauth.token()}"} if developer else {"x-bunbase-key": SECRET}
    if method in ("POST", "PUT", "PATCH") and "content" not in more:
        more["json"] = {}
    path = re.sub(r"\{project\}", "bakery", path)
    return await door.http.request(
        method, re.sub(r"\{\w+\}", "x1", path), headers=headers | more.pop("headers", {}), **more
    )


async def test_a_malformed_number_in_a_query_or_path_never_causes_a_server_error() -> None:
    tried = 0
    async with door_of() as door:
        for method, path, operation in operations():
            for place, name in numeric(operation):
                for number in NUMBERS:
                    if place == "query":
                        answer = await ask(door, method, path, params={name: number})
                    else:
                        answer = await ask(door, method, path.replace("{%s}" % name, number or "x"))  # noqa: UP031
                    tried += 1
                    assert answer.status_code < 500, (method, path, name, number[:9])

    assert tried > 20 * len(NUMBERS)


@pytest.mark.parametrize("name", HEADERS)
async def test_a_malformed_number_in_a_header_never_causes_a_server_error(name: str) -> None:
    """A `Last-Event-ID` of 5000 digits was such a number."""
    paths = [
        ("GET", "/api/projects/{project}/logs?follow=true"),
        ("GET", "/api/projects/{project}/functions/{name}/logs?follow=true"),
        ("GET", "/v1/data/posts/d1"),
        ("PUT", "/v1/data/posts/d1"),
        ("POST", "/v1/functions/x1"),
    ]
    async with door_of() as door:
        for method, path in paths:
            for number in NUMBERS:
                value = number.encode("latin-1", "replace")
                answer = await ask(door, method, path, headers={name: value})
                assert answer.status_code < 500, (path, number[:9])


async def test_a_malformed_number_in_a_cursor_never_causes_a_server_error() -> None:
    """A caller can write any cursor."""
    async with door_of() as door:
        for method, path, operation in operations():
            if not any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ())):
                continue
            for number in NUMBERS:
                packed = base64.urlsafe_b64encode(b'["x",%b]' % number.encode()).rstrip(b"=").decode()[:2048]
                answer = await ask(door, method, path, params={"cursor": packed})
                assert answer.status_code < 500, (path, number[:9])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/data/posts/query", b'{"limit":%b}'),
        ("POST", "/api/projects/{project}/keys", b'{"kind":"secret","expires_in_seconds":%b}'),
        ("POST", "/api/projects/{project}/keys/key_x/rotate", b'{"grace_seconds":%b}'),
        ("POST", "/api/auth/tokens", b'{"name":"ci","expires_in_seconds":%b}'),
        ("POST", "/api/projects/{project}/functions/x1/rollback", b'{"version":%b}'),
        ("POST", "/rpc", b'{"jsonrpc":"2.0","id":%b,"method":"auth.verify","params":{"token":"x"}}'),
    ],
)
async def test_a_malformed_number_in_a_body_never_causes_a_server_error(method: str, path: str, body: bytes) -> None:
    """A number in JSON may have any length."""
    async with door_of() as door:
        for number in NUMBERS:
            headers = {"content-type": "application/json"}
            content = body % number.encode()
            answer = await ask(door, method, path, headers=headers, content=content)
            assert answer.status_code < 500, (path, number[:9])
