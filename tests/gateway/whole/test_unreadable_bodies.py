"""All routes with a JSON body give the same answer to an unreadable body, and to a text instead of a number."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio

from bunbase.gateway.examples import EXAMPLES
from tests.gateway.lanes import KEY, Reply, Served, request, served
from tests.gateway.others import FakeBunAuth

# These routes also take any type, or forms.
OTHER_TYPES = ("/import", "/v1/functions/", "/v1/storage/objects/", "/rpc", "/oauth/")
FORMS = {("PUT", "/api/projects/{project}/functions/{name}"), ("POST", "/v1/auth/token")}
UNREADABLE = (b'{"indexes":', b'{"no_such_name":1,', b'{"a":"\xff"}', b'{"a":NaN}', b"[", b"{} {}", b"\xff")
DOCUMENTS = (
    "/v1/data/",
    "/v1/commit",
    "/v1/jobs",
    "/v1/rules/test",
    "/v1/live",
    "/v1/auth/signup",
    "/v1/auth/me",
)  # texts are data here


def json_routes() -> list[tuple[str, str]]:
    return [key for key in EXAMPLES if key not in FORMS and not any(one in key[1] for one in OTHER_TYPES)]


@pytest_asyncio.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as opened:
        await opened.warm()
        yield opened


async def sent(lane: Served, route: tuple[str, str], body: bytes) -> Reply:
    path = re.sub(r"\{(\w+)\}", lambda name: "prj_bakery" if name[1] == "project" else "x1", route[1])
    credential = f"authorization: Bearer {FakeBunAuth().token(role='admin')}" if path.startswith("/api/") else KEY
    async with lane.connected() as connection:
        connection.send(request(f"{route[0]} {path}", credential, "content-type: application/json", body=body))
        return await connection.reply()


async def test_a_body_that_is_no_json_gets_400_at_every_json_route(lane: Served) -> None:
    """A suite of others found that some routes once answered 422."""
    routes = json_routes()
    assert len(routes) > 25

    for route in routes:
        for body in UNREADABLE:
            reply = await sent(lane, route, body)

            problem = msgspec.json.decode(reply.body)
            assert (reply.status, problem["code"]) == (400, "malformed_request"), (route, body[:20])
            assert "codec" not in problem["detail"]
            assert "truncated" not in problem["detail"]


def with_texts(value: Any) -> Iterator[Any]:
    """Yield copies of the value, each with a text instead of one number or truth value."""
    match value:
        case bool() | int() | float():
            yield msgspec.json.encode(value).decode()
        case dict():
            for name, one in value.items():
                yield from ({**value, name: other} for other in with_texts(one))
        case list():
            for at, one in enumerate(value):
                yield from ([*value[:at], other, *value[at + 1 :]] for other in with_texts(one))


async def test_a_text_is_accepted_as_no_number_and_as_no_truth_value(lane: Served) -> None:
    """Before, `"5"` and `"true"` were accepted."""
    seen = 0
    for route in json_routes():
        if route[1].startswith(DOCUMENTS):
            continue
        for example in with_texts(EXAMPLES[route]):
            reply = await sent(lane, route, msgspec.json.encode(example))

            assert reply.status in (400, 422), (route, example)
            seen += 1
    assert seen > 5
