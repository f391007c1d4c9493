from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bunbase.gateway.methods import allowed
from tests.gateway.door import Door, door_of
from tests.gateway.others import SECRET
from tests.shared_openapi import openapi_document

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS: dict[str, dict[str, Any]] = msgspec.json.decode(openapi_document())["paths"]
FORM_POST = ("post",)  # Some providers send their answer as a form. The OpenAPI document has only the GET.
# The last segments of these paths are also ids of documents.
SHADOWING = {"/v1/data/{collection}/query", "/v1/data/{collection}/aggregate"}
FUNCTIONS = "/v1/functions/"
FILLED = {"project": "bakery", "version": "1"}
CHANGING = ("x-request-id", "server-timing")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door() -> AsyncIterator[Door]:
    async with door_of() as opened:
        yield opened


def filled(template: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: FILLED.get(name[1], "echo"), template)


def credentials(door: Door, path: str) -> dict[str, str]:
    if path.startswith("/v1/"):
        return {"x-bunbase-key": SECRET}
    return {"authorization": f"Bearer {door.bunauth.token()}"}


@pytest.mark.usefixtures("_rooms_have_nothing")
async def test_head_is_answered_wherever_get_is_with_the_same_head_and_no_body(door: Door) -> None:
    """RFC 9110 section 9.1 requires this."""
    getting = [path for path, item in PATHS.items() if "get" in item and not path.startswith(FUNCTIONS)]
    assert len(getting) > 30

    for path in (*(filled(one) for one in getting), "/api/openapi.json", "/nothing"):
        headers = credentials(door, path) | {"x-request-id": "a-trace-from-before"}
        got, head = await door.http.get(path, headers=headers), await door.http.head(path, headers=headers)

        told = [{k: v for k, v in one.headers.items() if k not in CHANGING} for one in (got, head)]
        assert (head.status_code, told[1], head.content) == (got.status_code, told[0], b""), path


async def test_a_health_check_with_head_is_answered(door: Door) -> None:
    for path in ("/api/health", "/api/ready", "/v1/data/posts"):
        answer = await door.http.head(path, headers={"x-bunbase-key": SECRET})

        assert (answer.status_code, answer.content) == (200, b""), path
        assert int(answer.headers["content-length"]) > 10


async def test_options_and_405_name_every_method_of_a_path(door: Door) -> None:
    """A suite of others found that 405 once named too few methods."""
    for template, item in PATHS.items():
        if template.startswith(FUNCTIONS) or "options" in item:
            continue
        document = PATHS["/v1/data/{collection}/{id}"] if template in SHADOWING else {}
        hidden = FORM_POST if template.endswith("/oauth/{provider}/callback") else ()
        expected = allowed(method.upper() for method in (*item, *document, *hidden))
        options = await door.http.options(filled(template))
        refused = await door.http.request("TRACE", filled(template))

        assert (options.status_code, options.headers["allow"].split(", ")) == (204, expected), template
        assert (refused.status_code, refused.headers["allow"].split(", ")) == (405, expected), template
