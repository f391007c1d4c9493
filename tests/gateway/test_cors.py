from __future__ import annotations

import pytest

from bunbase.gateway.settings import GatewaySettings
from tests.gateway.door import Door, door_of
from tests.gateway.others import SECRET

SITE, STRANGER = "https://app.example.com", "https://evil.example.com"
ASKING = {"access-control-request-method": "PATCH", "access-control-request-headers": "x-bunbase-key, if-match"}


@pytest.mark.parametrize("path", ["/v1/data/posts/p1", "/api/auth/login", "/v1/functions/hello/deep/path", "/nothing"])
async def test_a_browser_may_ask_before_it_calls(door: Door, path: str) -> None:
    answer = await door.http.options(path, headers={"origin": SITE, **ASKING})

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-bunbase-key" in answer.headers["access-control-allow-headers"].lower() or (
        answer.headers["access-control-allow-headers"] == "*"
    )
    assert answer.headers["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_browser_may_read_answers_problems_and_what_stands_in_their_headers(door: Door) -> None:
    for path, status in (("/v1/data/posts", 200), ("/v1/data/posts?nonsense=1", 400), ("/nothing", 404)):
        answer = await door.http.get(path, headers={"origin": SITE, "x-bunbase-key": SECRET})

        exposed = answer.headers["access-control-expose-headers"].lower()
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "*"
        assert {"etag", "x-request-id", "retry-after"} <= {name.strip() for name in exposed.split(",")}


async def test_without_an_origin_nothing_is_added(door: Door) -> None:
    answer = await door.http.get("/api/health")

    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_only_the_listed_origins_may_read_when_some_are_listed() -> None:
    async with door_of(GatewaySettings(cors_origins=(SITE,))) as door:
        welcome = await door.http.get("/api/health", headers={"origin": SITE})
        stranger = await door.http.get("/api/health", headers={"origin": STRANGER})
        asking = await door.http.options("/api/health", headers={"origin": STRANGER, **ASKING})

    assert welcome.headers["access-control-allow-origin"] == SITE
    assert "access-control-allow-origin" not in stranger.headers
    assert asking.status_code == 400
    assert asking.headers.get("access-control-allow-origin") != STRANGER
