"""A person migrates documents and backfills a trigger with the command, in one process and in several."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.instance import Instance

MIGRATION = """
export const migration = {
  collection: "people",
  each({ name }) { return name === undefined ? undefined : { patch: { first: name.split(" ")[0], name: null } }; },
};
"""


def test_documents_are_migrated_once_and_backfilled(instance: Instance, tmp_path: Path) -> None:
    def run(*args: str, code: int = 0) -> str:
        return instance.bunbase(*args, cwd=tmp_path, code=code)

    def migrations() -> list[tuple[str, str, bool]]:
        items = instance.bunbase_json("migrations", "list", cwd=tmp_path)["items"]
        return [(one["name"], one["state"], one["changed"]) for one in items]

    run("register", "--email", "mia@example.com")
    run("init")
    run("projects", "create", "Migrated")
    run("collections", "create", "people")
    for name in ("Eve", "Ada"):
        run("data", "create", "people", f'{{"_id": "{name.lower()}", "name": "{name} Low"}}')
    run("migrations", "new", "split_name", "--collection", "people")
    file = tmp_path / "migrations" / "0001_split_name.ts"
    file.write_text(MIGRATION)

    rehearsed = instance.bunbase_json("migrations", "run", "--dry-run", cwd=tmp_path)["rehearsed"]["0001_split_name"]
    named = run("data", "get", "people", "eve", "--json")
    pending = migrations()
    named_by_deployment = instance.bunbase_json("deploy", cwd=tmp_path)
    deployed = instance.bunbase_json("deploy", "--migrate", cwd=tmp_path)
    again = instance.bunbase_json("migrations", "run", cwd=tmp_path)["items"]
    file.write_text(MIGRATION + "// changed")

    assert (rehearsed["changed"], "Eve Low" in named) == (2, True)
    assert pending == [("0001_split_name", "pending", False)]
    assert (named_by_deployment["pending_migrations"], deployed["pending_migrations"]) == (["0001_split_name"], [])
    assert named_by_deployment["migrations"] == []
    assert [(one["name"], one["state"], one["changed"]) for one in deployed["migrations"]] == [
        ("0001_split_name", "done", 2)
    ]
    assert again == []
    assert migrations() == [("0001_split_name", "done", True)]
    assert '"first"' in run("data", "get", "people", "eve", "--json")
    run("migrations", "status", "0001_split_name")
    run("migrations", "pause", "0001_split_name", code=1)
    run("migrations", "status", "0002_none", code=1)

    (tmp_path / "functions" / "seen.ts").write_text("export default async (req: Request) => void (await req.json());")
    toml = tmp_path / "bunbase.toml"
    toml.write_text(f'{toml.read_text()}\n[functions.seen]\non = [{{ collection = "people" }}]\n')
    assert instance.bunbase_json("deploy", cwd=tmp_path)["items"][-1]["invocable"] is False
    assert instance.bunbase_json("functions", "backfill", "seen", "--dry-run", cwd=tmp_path)["handed_on"] == 2
    assert instance.bunbase_json("functions", "backfill", "seen", cwd=tmp_path)["handed_on"] == 2
    assert instance.bunbase_json("functions", "backfill", "seen", "status", cwd=tmp_path)["state"] == "done"
