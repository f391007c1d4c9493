from __future__ import annotations

import httpx
import pytest

from tests.e2e.documented import differences

ITEM = "/v1/data/{collection}/{id}"
PROBLEM = {"type": "about:blank", "title": "t", "status": 404, "code": "c", "detail": "d"}
DOCUMENT = {"_id": "a", "_rev": 1, "_created": "2026-01-05T06:00:00.000Z", "_updated": "2026-01-05T06:00:00.000Z"}


def reply(status: int, body: object = None, kind: str = "application/json") -> httpx.Response:
    if body is None:
        return httpx.Response(status)
    return httpx.Response(status, json=body, headers={"content-type": kind})


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("GET", reply(200, DOCUMENT | {"title": "Rye"})),
        ("GET", reply(304)),
        ("GET", reply(404, PROBLEM, "application/problem+json")),
        ("GET", reply(418, PROBLEM, "application/problem+json")),
        ("DELETE", reply(204)),
    ],
)
def test_a_documented_answer_has_no_differences(method: str, answer: httpx.Response) -> None:
    assert differences(method, ITEM, answer) == []


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("GET", reply(200, {"title": "Rye"})),
        ("GET", reply(200, DOCUMENT, "text/plain")),
        ("GET", reply(404, {"code": "c"}, "application/problem+json")),
        ("GET", reply(418, DOCUMENT)),
        ("DELETE", reply(204, DOCUMENT)),
    ],
)
def test_an_answer_of_another_type_or_content_type_is_found(method: str, answer: httpx.Response) -> None:
    assert differences(method, ITEM, answer) != []
