from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bunbase import __version__
from bunbase.pkg.errors import Unreachable
from tests.gateway.door import Door
from tests.shared_openapi import openapi_document


async def test_health_and_instance_return_the_version_and_the_state(door: Door) -> None:
    assert (await door.http.get("/api/health")).json() == {"status": "ok", "version": __version__}
    assert (await door.http.get("/api/instance")).json() == {
        "version": __version__,
        "mode": "dev",
        "signups": "open",
        "setup_complete": True,
        "sandbox": {"functions": []},
        "confirms_signups": False,
    }


async def test_the_readiness_route_names_every_dependency_without_its_details(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the internal port shows hosts, users and addresses."""
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


async def test_in_dev_mode_metrics_are_public(door: Door) -> None:
    answer = await door.http.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].count("charset") == 1
    assert "bunbase_http_requests_total" in answer.text


async def test_the_served_openapi_document_equals_the_generated_one(door: Door) -> None:
    served = (await door.http.get("/api/openapi.json")).json()
    served["paths"].pop("/metrics")  # Only dev mode has this path.

    generated = msgspec.json.decode(openapi_document())

    assert served["openapi"].startswith("3.1")
    assert served["paths"] == generated["paths"]
    assert served["components"] == generated["components"]
    assert (Path(__file__).parents[3] / "docs/reference/openapi.json").exists()


async def test_every_operation_has_a_summary_and_shows_no_internal_parameter(door: Door) -> None:
    document = (await door.http.get("/api/openapi.json")).json()

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["tags"], (method, path)
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            assert names.isdisjoint(
                {
                    "anyone",
                    "developer",
                    "member",
                    "keyed",
                    "client",
                    "accessor",
                    "guest",
                    "operator",
                    "visitor",
                    "platform",
                }
            )
            assert operation["security"] is not None, (method, path)
