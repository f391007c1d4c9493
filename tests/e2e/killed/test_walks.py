"""Kill the server with SIGKILL amid a migration: every document is changed exactly once.

BUNBASE_WALK_KILLS is the number of kills (1 in `make test`).
"""

from __future__ import annotations

import os
import random
import time
from typing import Any, Final

from tests.e2e.instance import Instance, poll
from tests.e2e.killed.conftest import ADMIN

KILLS: Final = int(os.environ.get("BUNBASE_WALK_KILLS", "1"))
DOCUMENTS: Final = 500 * (1 + KILLS)
COUNT: Final = b"""
exports.migration = { collection: "people", each: () => ({ patch: { $inc: { n: 1 } } }) };
"""
LIVES_SECONDS: Final = (0.2, 2.0)


def test_a_killed_migration_changes_every_document_exactly_once(killed: Instance) -> None:
    developer = _signed_in(killed)
    made = killed.http.post("/api/projects", json={"name": "Bakery"}, headers=developer).raise_for_status().json()
    at = f"/api/projects/{made['id']}"
    secret = {"x-bunbase-key": next(key["key"] for key in made["keys"] if key["kind"] == "secret")}
    for start in range(0, DOCUMENTS, 500):
        writes = [
            {"op": "create", "collection": "people", "id": f"d{n:06}", "data": {"n": 0}}
            for n in range(start, start + 500)
        ]
        killed.http.post("/v1/commit", json={"writes": writes}, headers=secret).raise_for_status()
    files: dict[str, Any] = {"bundle": ("m.js", COUNT), "config": (None, b"{}")}
    killed.http.put(f"{at}/functions/count", files=files, headers=developer).raise_for_status()
    new = {"kind": "migration", "name": "0001_count", "function": "count", "checksum": "0" * 64}

    walk = killed.http.post(f"{at}/walks", json=new, headers=developer).raise_for_status().json()
    for _ in range(KILLS):
        time.sleep(random.uniform(*LIVES_SECONDS))  # The moment of the kill is the point of this test.
        killed.kill()
        killed.start()
        developer = _signed_in(killed)

    path = f"{at}/walks/{walk['id']}"
    poll(lambda: killed.http.get(path, headers=developer).json()["state"] != "running", 120, "the migration ends")
    ended = killed.http.get(path, headers=developer).json()
    counts = killed.http.post(
        "/v1/data/people/aggregate", json={"group": ["n"], "values": {"count": {"$count": True}}}, headers=secret
    )
    assert [(one["n"], one["count"]) for one in counts.raise_for_status().json()["items"]] == [(1, DOCUMENTS)]
    assert (ended["state"], ended["changed"], ended["failed"]) == ("done", DOCUMENTS, 0)


def _signed_in(server: Instance) -> dict[str, str]:
    pair = server.http.post("/api/auth/login", json=ADMIN).raise_for_status().json()
    return {"authorization": f"Bearer {pair['access_token']}"}
