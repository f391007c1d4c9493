"""Projects with users are exported, imported, cloned, backed up and restored by the command, with real processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.cli.project_copies.object_requests import object_path
from tests.e2e.instance import Instance

PASSWORD = "apples and pears"
DOCUMENTS = 1300  # So many documents need more than one block.
SETTINGS = {
    "schema": {"type": "object", "properties": {"list": {"type": "string", "x-ref": "lists"}}},
    "indexes": [{"fields": ["n"], "name": "by_n"}],
    "rules": {"get": "auth != null"},
}


@dataclass(frozen=True)
class Shop:
    """A project with documents and users. `ada`: the id of a user with a password."""

    project: str
    secret: dict[str, str]
    ada: str


def keys_of(made: Mapping[str, Any]) -> dict[str, str]:
    return {"X-Bunbase-Key": next(key["key"] for key in made["keys"] if key["kind"] == "secret")}


@pytest.fixture(scope="module")
def shop(instance: Instance) -> Shop:
    instance.bunbase("register", "--email", "copier@example.com")
    made = instance.bunbase_json("projects", "create", "Original")
    secret = keys_of(made)
    http = instance.http
    http.put("/v1/collections/lists", json={}, headers=secret).raise_for_status()
    http.put("/v1/collections/orders", json=SETTINGS, headers=secret).raise_for_status()
    lines = b'{"collection":"lists","document":{"_id":"one"}}\n' + b"".join(
        b'{"collection":"orders","document":{"_id":"o%04d","n":%d.10,"list":"one"}}\n' % (number, number)
        for number in range(DOCUMENTS)
    )
    assert http.post("/v1/import", content=lines, headers=secret).json()["failed"] == 0
    ada = http.post("/v1/auth/users", json={"email": "ada@shop.example", "password": PASSWORD}, headers=secret).json()
    eve = {"email": "eve@shop.example", "role": "editor", "claims": {"team": 1.0}}
    http.post("/v1/auth/users", json=eve, headers=secret).raise_for_status()
    return Shop(made["id"], secret, ada["id"])


def signs_in(instance: Instance, secret: dict[str, str], password: str = PASSWORD) -> bool:
    body = {"email": "ada@shop.example", "password": password}
    return instance.http.post("/v1/auth/login", json=body, headers=secret).is_success


def without_named_fields(lines: bytes) -> list[bytes]:
    """Return the lines of a file without the first line, and without the revision and the times of documents."""
    kept = []
    for line in lines.splitlines()[1:]:
        begin = line.find(b',"_rev"')
        kept.append(line if begin < 0 else line[:begin] + line[line.index(b'"_updated":') + 37 :])
    return kept


def test_an_exported_project_is_the_same_in_another_project_and_its_users_sign_in(
    instance: Instance, shop: Shop, tmp_path: Path
) -> None:
    packed, plain, again = (tmp_path / name for name in ("shop.ndjson.gz", "shop.ndjson", "copy.ndjson"))
    made = instance.bunbase_json("projects", "create", "Imported")
    here, there = ("--project", shop.project), ("--project", made["id"])

    instance.bunbase("export", str(packed), "--with", "users", *here)
    instance.bunbase("export", str(plain), "--with", "users", *here)
    dry = instance.bunbase_json("import", str(packed), "--dry-run", *there)
    done = instance.bunbase_json("import", str(packed), *there)
    conflicts = msgspec.json.decode(instance.bunbase("import", str(packed), "--json", *there, code=1))
    repeated = instance.bunbase_json("import", str(packed), "--on-conflict", "skip", *there)
    instance.bunbase("export", str(again), "--with", "users", *there)

    assert without_named_fields(plain.read_bytes()) == without_named_fields(again.read_bytes())
    assert packed.stat().st_mode & 0o077 == 0
    assert (dry["documents"]["imported"], dry["users"]["imported"]) == (DOCUMENTS + 1, 2)
    assert [done[part]["imported"] for part in ("collections", "users", "documents")] == [2, 2, DOCUMENTS + 1]
    assert {one["code"]: one["count"] for one in conflicts["errors"]} == {
        "document_exists": DOCUMENTS + 1,
        "user_exists": 2,
    }
    assert [repeated[part]["skipped"] for part in ("collections", "users", "documents")] == [2, 2, DOCUMENTS + 1]
    assert signs_in(instance, keys_of(made))


@pytest.mark.usefixtures("shop")  # which signs in
def test_files_are_exported_imported_and_cloned(instance: Instance, tmp_path: Path) -> None:
    http, file = instance.http, tmp_path / "files.ndjson.gz"
    first = instance.bunbase_json("projects", "create", "With files")
    secret, here = keys_of(first), ("--project", first["id"])
    bucket = {"name": "photos", "rules": {"get": "object.owner == auth.uid"}, "cache_control": "max-age=60"}
    http.post("/v1/storage/buckets", json=bucket, headers=secret).raise_for_status()
    wanted = {"a/b.jpg": bytes(range(256)) * 9000, "empty": b"", "caf\u00e9 %2F?#": b"name", "..": b"dots"}
    for key, content in wanted.items():
        headers = {**secret, "content-type": "image/jpeg", "x-bunbase-owner": "usr_eve"}
        headers |= {"x-bunbase-metadata": '{"title":"caf\\u00e9"}'}
        http.put(object_path("photos", key), content=content, headers=headers).raise_for_status()

    instance.bunbase("export", str(file), *here)
    assert instance.bunbase_json("export", str(tmp_path / "none"), "--without", "files", *here)["files"] == 0
    second = instance.bunbase_json("projects", "create", "Imported files")
    there = ("--project", second["id"])
    dry = instance.bunbase_json("import", str(file), "--dry-run", *there)
    done = instance.bunbase_json("import", str(file), *there)
    http.put(object_path("photos", "empty"), content=b"other", headers=keys_of(second)).raise_for_status()
    conflict = msgspec.json.decode(instance.bunbase("import", str(file), "--json", *there, code=1))
    replaced = instance.bunbase_json("import", str(file), "--on-conflict", "replace", *there)
    cloned = instance.bunbase_json("projects", "clone", first["id"], "Cloned files")

    assert [one["files"]["imported"] for one in (dry, done)] == [4, 4]
    assert [(one["code"], one["count"]) for one in conflict["errors"]] == [("object_exists", 1)]
    assert (replaced["files"]["updated"], replaced["files"]["skipped"]) == (1, 3)
    lists = []
    for made in (first, second, cloned):
        for key, content in wanted.items():
            assert http.get(object_path("photos", key), headers=keys_of(made)).content == content
        page = http.get("/v1/storage/list/photos?limit=100", headers=keys_of(made)).json()["items"]
        lists.append([{name: one[name] for name in one if not name.endswith("_at")} for one in page])
        assert http.get("/v1/storage/buckets/photos", headers=keys_of(made)).json()["rules"] == bucket["rules"]
    assert lists[0] == lists[2]
    assert lists[0] == lists[1]
    assert {one["owner"] for one in lists[0]} == {"usr_eve"}


def test_a_clone_has_the_users_when_asked_and_each_project_goes_its_own_way(instance: Instance, shop: Shop) -> None:
    before = instance.bunbase_json("backup", "list", "--project", shop.project)["items"]

    bare = instance.bunbase_json("projects", "clone", shop.project, "Bare")
    whole = instance.bunbase_json("projects", "clone", shop.project, "Whole", "--with", "users")

    assert (signs_in(instance, keys_of(bare)), signs_in(instance, keys_of(whole))) == (False, True)
    assert instance.http.get("/v1/data/orders/o0007", headers=keys_of(whole)).json()["list"] == "one"
    settings = instance.http.get("/v1/collections/orders", headers=keys_of(whole)).json()
    assert (settings["rules"], settings["schema"]) == (SETTINGS["rules"], SETTINGS["schema"])
    instance.http.delete(f"/v1/auth/users/{shop.ada}", headers=keys_of(whole)).raise_for_status()
    assert signs_in(instance, shop.secret)
    assert instance.bunbase_json("backup", "list", "--project", shop.project)["items"] == before


def test_a_backup_with_users_brings_deleted_users_back_and_signs_changed_ones_out(
    instance: Instance, shop: Shop
) -> None:
    http, here = instance.http, ("--project", shop.project)
    plain = instance.bunbase_json("backup", "create", *here)
    made = instance.bunbase_json("backup", "create", "--with", "users", *here)
    later = http.post("/v1/auth/users", json={"email": "later@shop.example"}, headers=shop.secret).json()
    http.delete(f"/v1/auth/users/{shop.ada}", headers=shop.secret).raise_for_status()

    verified = instance.bunbase_json("backup", "verify", made["id"], *here)
    restored = instance.bunbase_json("backup", "restore", made["id"], "--with", "users", "--yes", *here)
    refused = instance.bunbase_problem("backup", "restore", plain["id"], "--with", "users", "--yes", *here, code=1)

    assert (plain["users"], made["users"], verified["state"]) == (None, 2, "done")
    counts = ("imported", "updated", "skipped", "failed")
    assert [restored["users"][one] for one in counts] == [1, 0, 1, 0]
    assert refused["code"] == "backup_without_users"
    assert signs_in(instance, shop.secret)
    assert http.get(f"/v1/auth/users/{later['id']}", headers=shop.secret).is_success
    safety = instance.bunbase_json("backup", "list", *here)["items"][0]
    assert (safety["id"], safety["users"]) == (restored["safety_backup"], 2)
