"""A developer deploys the function of the guide and names it in bunbase.toml; then apps and servers write."""

from __future__ import annotations

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bunbase.functions.sandbox.bun_files import WORKER_SCRIPT
from tests.e2e.instance import Instance, poll
from tests.e2e.topologies.conftest import ROOT

GUIDE = Path(__file__).parents[3] / "docs" / "before-writes.md"


@pytest.fixture
def server(instance: Instance, tmp_path: Path) -> dict[str, str]:
    """Return the headers of a server of a new project, which has the function and the collections of the guide."""
    code, toml = _block("ts"), _block("toml")
    instance.bunbase("login", "--email", ROOT["email"], cwd=tmp_path)
    made = instance.bunbase_json("projects", "create", "Asking", cwd=tmp_path)
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "stock.ts").write_text(code)
    (tmp_path / "bunbase.toml").write_text(f'[project]\nid = "{made["id"]}"\nslug = "{made["slug"]}"\n\n{toml}')
    instance.bunbase("deploy", cwd=tmp_path)
    secret = next(key["key"] for key in made["keys"] if key["kind"] == "secret")
    return {"x-bunbase-key": secret}


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_function_of_the_guide_refuses_and_changes_writes(
    instance: Instance, server: dict[str, str], tmp_path: Path
) -> None:
    http = instance.http
    http.put("/v1/data/items/pen", json={"price": 3, "stock": 2}, headers=server).raise_for_status()

    sold = http.post("/v1/data/orders", json={"_id": "o1", "item": "pen", "count": 2}, headers=server)
    refused = http.post("/v1/data/orders", json={"_id": "o2", "item": "pen", "count": 9}, headers=server)
    together = [
        {"op": "create", "collection": "orders", "id": id, "data": {"item": "pen", "count": count}}
        for id, count in (("o3", 1), ("o4", 9))
    ]
    commit = http.post("/v1/commit", json={"writes": together}, headers=server)
    gone = [http.get(f"/v1/data/orders/{id}", headers=server).status_code for id in ("o2", "o3", "o4")]
    deleted = instance.bunbase("functions", "delete", "stock", "--yes", cwd=tmp_path, code=1)

    assert (sold.status_code, sold.json()["total"]) == (201, 6)
    assert (refused.status_code, refused.json()["code"], refused.json()["reason"]) == (403, "write_refused", "sold_out")
    assert refused.json()["detail"] == "Only 2 are left."
    assert (commit.status_code, commit.json()["write"]) == (403, 1)
    assert gone == [404, 404, 404]
    assert deleted == ""
    instance.bunbase("diff", cwd=tmp_path)  # The exit code of a difference is 5.
    runs: Any = instance.bunbase_json("jobs", "runs", "stock", cwd=tmp_path)["items"]
    assert {(run["kind"], run["outcome"]) for run in runs} == {("hook", "ok")}


def test_nothing_is_written_while_the_function_fails_and_it_recovers(
    instance: Instance, server: dict[str, str], tmp_path: Path
) -> None:
    http, source = instance.http, tmp_path / "functions" / "stock.ts"
    http.put("/v1/data/items/pen", json={"price": 3, "stock": 2}, headers=server).raise_for_status()
    order = {"item": "pen", "count": 1}
    answers = {}
    for number, (body, code) in enumerate(
        {
            "throw new Error('no')": "before_write_failed",
            "await new Promise(() => {})": "before_write_busy",
            "process.exit(1)": "before_write_busy",
            "return { allow: true }": "before_write_failed",
            "await ctx.data.put('orders', 'own', {})": "before_write_failed",
        }.items()
    ):
        source.write_text(
            f"export const hooks = {{ async beforeWrite(_event: any, ctx: any): Promise<any> {{ {body}; }} }};"
        )
        instance.bunbase("deploy", "stock", cwd=tmp_path)
        answers[code, number] = http.put(f"/v1/data/orders/f{number}", json=order, headers=server).json()["code"]
    source.write_text(_block("ts"))
    instance.bunbase("deploy", "stock", cwd=tmp_path)
    poll(lambda: http.put("/v1/data/orders/good", json=order, headers=server).status_code == 201, what="the write")

    assert answers == {key: key[0] for key in answers}
    assert [one["_id"] for one in http.get("/v1/data/orders", headers=server).json()["items"]] == ["good"]


WAITING = """
export const hooks = {
  async beforeWrite({ next }: any, { data }: any): Promise<void> {
    if (!next.waits) return;
    await data.put("items", "seen", {});
    await new Promise(() => {});
  },
};
"""


def test_a_worker_that_is_killed_while_it_decides_refuses_the_write_and_the_next_write_works(
    instance: Instance, server: dict[str, str], tmp_path: Path
) -> None:
    http, toml = instance.http, tmp_path / "bunbase.toml"
    toml.write_text(toml.read_text().replace("timeout_ms = 2000", "timeout_ms = 10000"))
    (tmp_path / "functions" / "stock.ts").write_text(WAITING)
    instance.bunbase("deploy", cwd=tmp_path)

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(http.put, "/v1/data/orders/o1", json={"waits": True}, headers=server)
        poll(lambda: http.get("/v1/data/items/seen", headers=server).status_code == 200, what="the function decides")
        for pid in instance.descendants(WORKER_SCRIPT):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        refused = sent.result()
    stored = http.get("/v1/data/orders/o1", headers=server)
    again = http.put("/v1/data/orders/o1", json={"waits": False}, headers=server)

    said = refused.json()
    assert (refused.status_code, said["code"], said["cause"]) == (503, "before_write_busy", "function_crashed")
    assert refused.headers["retry-after"] == "1"
    assert (stored.status_code, again.status_code) == (404, 201)
