"""A developer deploys the function of the guide that follows a bucket; then users upload files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.e2e.instance import Instance, poll
from tests.e2e.topologies.conftest import ROOT

GUIDE = (Path(__file__).parents[3] / "docs" / "functions.md").read_text("utf-8")


def block(pattern: str) -> str:
    found = re.search(pattern, GUIDE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.usefixtures("in_five_processes")
def test_the_function_of_the_guide_follows_the_uploads_of_users(instance: Instance, tmp_path: Path) -> None:
    toml = block(r"```toml\n(\[collections\.photos\].*?)```")
    instance.bunbase("login", "--email", ROOT["email"], cwd=tmp_path)
    made = instance.bunbase_json("projects", "create", "Pictures", cwd=tmp_path)
    keys = {key["kind"]: key["key"] for key in made["keys"]}
    server, app = {"x-bunbase-key": keys["secret"]}, {"x-bunbase-key": keys["publishable"]}
    head = f'[project]\nid = "{made["id"]}"\nslug = "{made["slug"]}"\n\n'
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "catalogue.ts").write_text(block(r"```ts\n(// functions/catalogue\.ts\n.*?)```"))
    (tmp_path / "bunbase.toml").write_text(head + toml)
    http = instance.http
    rules = {"create": "auth != null", "delete": "object.owner == auth.uid"}
    http.post("/v1/storage/buckets", json={"name": "photos", "rules": rules}, headers=server).raise_for_status()
    instance.bunbase("deploy", cwd=tmp_path)
    person = {"email": "photographer@example.com", "password": "apples and pears"}
    user = http.post("/v1/auth/signup", json=person, headers=app).json()
    eve = app | {"authorization": f"Bearer {user['access_token']}"}

    def catalogue() -> list[tuple[str, int, str]]:
        items = (
            http.get("/v1/data/photos", headers=server).json().get("items", [])
        )  # no collection before the first run
        return [(one["key"], one["size"], one["owner"]) for one in items]

    for key in ("originals/rye.jpg", "small/rye.jpg", "originals/oat.jpg"):
        http.put(f"/v1/storage/objects/photos/{key}", content=b"rye", headers=eve).raise_for_status()
    both = poll(lambda: found if len(found := catalogue()) == 2 else None)
    http.delete("/v1/storage/objects/photos/originals/oat.jpg", headers=eve).raise_for_status()
    left = poll(lambda: found if len(found := catalogue()) == 1 else None)

    uid = user["user"]["id"]
    assert sorted(both) == [("originals/oat.jpg", 3, uid), ("originals/rye.jpg", 3, uid)]
    assert left == [("originals/rye.jpg", 3, uid)]
    runs = poll(
        lambda: (
            found
            if len(found := instance.bunbase_json("jobs", "runs", "catalogue", cwd=tmp_path)["items"]) == 3
            else None
        )
    )
    assert {(run["kind"], run["outcome"]) for run in runs} == {("change", "ok")}
    assert "bucket photos/originals/" in instance.bunbase("functions", "list", cwd=tmp_path)
    instance.bunbase("diff", cwd=tmp_path)  # the exit code of a difference is 5
    (tmp_path / "bunbase.toml").write_text(head)
    instance.bunbase("pull", cwd=tmp_path)
    pulled = tomllib.loads((tmp_path / "bunbase.toml").read_text())["functions"]["catalogue"]
    assert pulled["on"][0]["bucket"] == "photos"
    assert pulled["on"][0]["prefix"] == "originals/"
    instance.bunbase("diff", cwd=tmp_path)
