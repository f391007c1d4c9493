from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bunbase import __version__
from bunbase.house.generate import openapi_document
from bunbase.pkg.errors import Unreachable
from tests.gateway.door import Door


async def test_health_and_instance(door: Door) -> None:
    assert (await door.http.get("/api/health")).json() == {"status": "ok", "version": __version__}
    assert (await door.http.get("/api/instance")).json() == {
        "version": __version__,
        "mode": "dev",
        "signups": "open",
        "setup_complete": True,
        "sandbox": {"functions": []},
    }


async def test_ready_names_every_dependency_and_tells_strangers_no_details(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Security 13: hosts, users and addresses stand on the internal port alone."""
    monkeypatch.setattr("bunbase.pkg.ready.SHARED_SECONDS", 0.0)

    async def good() -> None: ...

    async def bad() -> None:
        raise Unreachable("It sleeps at postgresql://ada@10.0.0.5/bunbase.")

    door.checks["postgres"] = good
    well = await door.http.get("/api/ready")
    door.checks["bunkms"] = bad
    ill = await door.http.get("/api/ready")

    assert (well.status_code, well.json()) == (200, {"status": "ok", "checks": {"postgres": {"status": "ok"}}})
    assert ill.status_code == 503
    assert ill.json() == {
        "status": "unavailable",
        "checks": {"postgres": {"status": "ok"}, "bunkms": {"status": "unavailable"}},
    }


async def test_metrics_are_public_in_dev_only(door: Door) -> None:
    answer = await door.http.get("/metrics")

    assert answer.status_code == 200
    assert "bunbase_http_requests_total" in answer.text


async def test_the_openapi_document_is_served_as_it_was_generated(door: Door) -> None:
    served = (await door.http.get("/api/openapi.json")).json()
    served["paths"].pop("/metrics")  # dev only

    generated = msgspec.json.decode(openapi_document())

    assert served["openapi"].startswith("3.1")
    assert served["paths"] == generated["paths"]
    assert served["components"] == generated["components"]
    assert (Path(__file__).parents[3] / "docs/reference/openapi.json").exists()


async def test_every_operation_is_described_and_gives_away_no_parameter_of_ours(door: Door) -> None:
    document = (await door.http.get("/api/openapi.json")).json()

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["tags"], (method, path)
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            assert names.isdisjoint(
                {"anyone", "developer", "member", "keyed", "client", "operator", "visitor", "platform"}
            )
            assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}, (method, path)
            for status, answer in operation["responses"].items():
                assert status < "4" or list(answer["content"]) == ["application/problem+json"], (method, path, status)
