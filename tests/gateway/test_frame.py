from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from bunbase.gateway.frame import Frame
from bunbase.pkg.metrics import metrics_text
from tests.gateway.door import Door
from tests.gateway.others import ADA, BAKERY, PUBLISHABLE, SECRET


@pytest.mark.parametrize("id", ["abcdefgh", "0af7651916cd43dd8448eb211c80319c", "a.b-c:d_e.", "x" * 128])
async def test_a_valid_request_id_of_the_client_is_kept(door: Door, id: str) -> None:
    answer = await door.http.get("/nothing", headers={"x-request-id": id})

    assert answer.headers.get_list("x-request-id") == [id]
    assert answer.json()["request_id"] == id


@pytest.mark.parametrize("id", ["", "short", "x" * 129, "with space", "<script>", "a\tb\tc\td\te", "ü" * 10])
async def test_an_invalid_request_id_of_the_client_is_replaced(door: Door, id: str) -> None:
    answer = await door.http.get("/api/health", headers=[(b"x-request-id", id.encode())])

    (given,) = answer.headers.get_list("x-request-id")
    assert given.startswith("req_")


async def test_requests_without_an_id_get_different_ids(door: Door) -> None:
    ids = {(await door.http.get("/api/health")).headers["x-request-id"] for _ in range(5)}

    assert len(ids) == 5


async def test_every_answer_has_the_header_nosniff(door: Door) -> None:
    for path in ("/api/health", "/nothing"):
        assert (await door.http.get(path)).headers["x-content-type-options"] == "nosniff"


async def test_metrics_name_the_route_and_never_the_path(door: Door) -> None:
    await door.http.get("/v1/data/marker_collection?limit=1", headers={"x-bunbase-key": SECRET})
    await door.http.get("/marker/of/a/stranger")
    await door.http.put("/v1/data/marker_collection")

    text = metrics_text().decode()
    assert 'bunbase_http_requests_total{method="GET",route="/v1/data/{collection}",status="200"}' in text
    assert 'bunbase_http_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert 'bunbase_http_requests_total{method="PUT",route="unmatched",status="405"}' in text
    assert 'bunbase_http_request_duration_seconds_count{method="GET",route="/v1/data/{collection}"}' in text
    assert "marker" not in text


async def test_a_log_line_of_a_request_names_route_caller_and_project(door: Door) -> None:
    token = door.bunauth.token()
    with capture_logs() as logs:
        await door.http.get("/v1/data/posts", headers={"x-bunbase-key": SECRET})
        await door.http.get("/api/auth/me", headers={"authorization": f"Bearer {token}"})
        await door.http.get(
            "/v1/data/posts",
            headers={"x-bunbase-key": PUBLISHABLE, "authorization": f"Bearer {door.tenant_auth.token()}"},
        )
        await door.http.get("/nothing/here?key=pk_x")
        await door.http.get("/api/health")

    of_requests = [
        line for line in logs if "status" in line
    ]  # The fake rooms have no live queries, which is logged too.
    lines = [(line["event"], line["status"], line.get("caller"), line.get("project")) for line in of_requests]
    assert lines == [
        ("GET /v1/data/{collection}", 200, "secret", BAKERY),
        ("GET /api/auth/me", 200, f"developer {ADA}", None),
        ("GET /v1/data/{collection}", 200, "publishable usr_eve", BAKERY),
        ("GET unmatched", 404, None, None),
    ]
    assert all(line["duration_ms"] >= 0 for line in of_requests)


async def test_a_client_that_disconnects_before_the_answer_is_logged_with_status_499() -> None:
    async def never_answers(scope: Any, receive: Any, send: Any) -> None:
        raise ConnectionResetError

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": {}}
    with capture_logs() as logs, pytest.raises(ConnectionResetError):
        await Frame(never_answers)(scope, None, None)  # type: ignore[arg-type]  # neither is ever called

    assert logs[0]["status"] == 499


async def test_a_websocket_connection_never_reaches_the_app() -> None:
    async def app(*_: Any) -> None:
        raise AssertionError("nothing gets here")

    await Frame(app)({"type": "websocket"}, None, None)  # type: ignore[arg-type]  # neither is ever called
