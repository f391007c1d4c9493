"""A browser page must send a Content-Type with a JSON body.

The tests cover every JSON route of the OpenAPI document in both lanes.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from bunbase.gateway.settings import GatewaySettings
from tests.gateway.lanes import KEY, Connection, served
from tests.gateway.others import FakeBunAuth
from tests.shared_openapi import openapi_document

PAGE: Final = "origin: http://localhost:5173"
OTHER_RULES: Final = {"/v1/functions", "/v1/data/{collection}/import", "/api/projects/{project}/functions/{name}"}
NAMES: Final = {"{collection}": "posts", "{id}": "d1", "{project}": "bakery"}


@functools.cache
def json_routes() -> list[tuple[str, str]]:
    """Return method and path of every route that takes a JSON body according to the OpenAPI document.

    Making the document takes seconds on a busy machine, so no request waits for it.
    """
    document: Any = msgspec.json.decode(openapi_document())
    return [
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in ("post", "put", "patch") and takes_json(operation) and not has_its_own_rule(path)
    ]


def takes_json(operation: dict[str, Any]) -> bool:
    return any(
        "json" in media and "ndjson" not in media for media in operation.get("requestBody", {}).get("content", {})
    )


def has_its_own_rule(path: str) -> bool:
    return any(path == own or path.startswith(f"{own}/") for own in OTHER_RULES)


def filled_in(path: str) -> str:
    for placeholder, name in NAMES.items():
        path = path.replace(placeholder, name)
    return path.replace("{", "").replace("}", "")


async def refused(connection: Connection, method: str, path: str, *headers: str) -> bool:
    token = f"authorization: Bearer {FakeBunAuth().token()}" if path.startswith("/api") else KEY
    reply = await connection.ask(f"{method} {path}", token, *headers, body=b"{}")
    code = msgspec.json.decode(reply.body).get("code") if reply.body else None
    return (reply.status, code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("fast", [True, False], ids=["fast lane", "ordinary lane"])
async def test_a_json_body_with_an_origin_but_no_content_type_is_refused(tmp_path: Path, fast: bool) -> None:
    routes, wrong = json_routes(), []
    async with served(tmp_path, GatewaySettings(fast_lane=fast)) as door, door.connected() as connection:
        for method, path in (*routes, ("POST", "/rpc")):
            address = filled_in(path)
            untyped = await refused(connection, method, address, PAGE)
            blank = await refused(connection, method, address, PAGE, "content-type: ")
            typed = await refused(connection, method, address, PAGE, "content-type: application/json")
            program = await refused(connection, method, address)
            if (untyped, blank, typed, program) != (True, True, False, False):
                wrong.append((method, path, untyped, blank, typed, program))

    assert wrong == []
    assert {
        ("POST", "/v1/commit"),
        ("POST", "/v1/data/{collection}"),
        ("PUT", "/v1/data/{collection}/{id}"),
        ("PATCH", "/v1/data/{collection}/{id}"),
        ("POST", "/v1/data/{collection}/query"),
        ("POST", "/v1/data/{collection}/aggregate"),
        ("PUT", "/v1/collections/{collection}"),
        ("POST", "/v1/rules/test"),
        ("POST", "/v1/auth/login"),
        ("POST", "/api/projects"),
    } <= set(routes)


@pytest.mark.parametrize("fast", [True, False], ids=["fast lane", "ordinary lane"])
async def test_a_function_accepts_a_body_with_an_origin_but_no_content_type(tmp_path: Path, fast: bool) -> None:
    async with served(tmp_path, GatewaySettings(fast_lane=fast)) as door, door.connected() as connection:
        reply = await connection.ask("POST /v1/functions/echo", KEY, PAGE, body=b"x")

    assert reply.status == 201
