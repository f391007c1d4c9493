"""The paths of the documents in these tests, and functions that read answers."""

from __future__ import annotations

import httpx

URL = "/v1/data/posts"


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"].startswith("application/problem+json")
    return response.status_code, response.json()["code"]
