"""Backups, clones, exports and imports with the `bunbase` command against real processes."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tests.e2e.instance import Instance

DOCUMENTS = 700


@dataclass(frozen=True)
class Shop:
    """A project with documents, the folder of its application, and its secret key."""

    project: str
    folder: Path
    secret: dict[str, str]


@pytest.fixture(scope="module")
def shop(instance: Instance) -> Shop:
    instance.bunbase("register", "--email", "ada@example.com")
    folder = instance.home / "shop"
    folder.mkdir()
    made = instance.bunbase_json("projects", "create", "Shop", cwd=folder)
    secret = {"X-Bunbase-Key": next(key["key"] for key in made["keys"] if key["kind"] == "secret")}
    instance.http.put("/v1/collections/orders", json={"indexes": []}, headers=secret).raise_for_status()
    lines = b"".join(b'{"_id":"o%04d","n":%d}\n' % (number, number) for number in range(DOCUMENTS))
    done = instance.http.post("/v1/import?collection=orders", content=lines, headers=secret).raise_for_status()
    assert done.json()["imported"] == DOCUMENTS
    return Shop(made["id"], folder, secret)


def test_a_backup_is_made_verified_restored_and_deleted(instance: Instance, shop: Shop) -> None:
    order = "/v1/data/orders/o0001"
    made = instance.bunbase_json("backup", "create", "--project", shop.project)
    instance.http.delete(order, headers=shop.secret).raise_for_status()

    verified = instance.bunbase_json("backup", "verify", made["id"], "--project", shop.project)
    restored = instance.bunbase_json("backup", "restore", made["id"], "--yes", "--project", shop.project)

    assert (verified["state"], restored["state"]) == ("done", "done")
    assert instance.http.get(order, headers=shop.secret).status_code == 200
    changes = instance.http.get("/v1/changes?since=1", headers=shop.secret)
    assert (changes.status_code, changes.json()["code"]) == (410, "resync_required")
    listed = instance.bunbase_json("backup", "list", "--project", shop.project)["items"]
    assert [(one["id"], one["reason"]) for one in listed] == [
        (restored["safety_backup"], "before_restore"),
        (made["id"], "manual"),
    ]
    assert {one["authenticity"] for one in listed} == {"proved"}
    (proof,) = instance.home.rglob(f"{made['id']}/manifest.mac")
    proof.unlink()
    again = ("backup", "restore", made["id"], "--yes", "--project", shop.project)
    instance.bunbase(*again, code=1)
    instance.bunbase(*again, "--unauthenticated")
    instance.bunbase("backup", "delete", made["id"], "--yes", "--project", shop.project)
    instance.bunbase("backup", "verify", made["id"], "--project", shop.project, code=1)


PHOTO = "/v1/storage/objects/photos/a/rye.jpg"
LARGE = bytes(range(256)) * 8000  # two pieces


def test_files_come_back_with_the_documents_and_are_in_a_clone(instance: Instance, shop: Shop) -> None:
    http, secret = instance.http, shop.secret
    http.post("/v1/storage/buckets", json={"name": "photos"}, headers=secret).raise_for_status()
    http.put(PHOTO, content=LARGE, headers=secret).raise_for_status()
    made = instance.bunbase_json("backup", "create", "--project", shop.project)
    assert (made["objects"]["objects"], made["objects"]["bytes"]) == (1, len(LARGE))
    without = instance.bunbase_json("backup", "create", "--without", "files", "--project", shop.project)
    assert without["objects"] is None
    http.put(PHOTO, content=b"changed", headers=secret).raise_for_status()
    http.put("/v1/storage/objects/photos/later", content=b"later", headers=secret).raise_for_status()
    instance.bunbase("backup", "verify", made["id"], "--deep", "--project", shop.project)

    instance.bunbase("backup", "restore", without["id"], "--yes", "--project", shop.project)
    assert http.get(PHOTO, headers=secret).content == b"changed"
    told = instance.bunbase_json("backup", "restore", made["id"], "--yes", "--project", shop.project)

    assert told["files"] is True
    assert http.get(PHOTO, headers=secret).content == LARGE
    assert http.get("/v1/storage/objects/photos/later", headers=secret).status_code == 404
    instance.bunbase("backup", "restore", told["safety_backup"], "--yes", "--project", shop.project)
    assert http.get("/v1/storage/objects/photos/later", headers=secret).content == b"later"
    clone = instance.bunbase_json("backup", "clone", "With files", "--backup", made["id"], "--project", shop.project)
    other = {"X-Bunbase-Key": next(key["key"] for key in clone["keys"] if key["kind"] == "secret")}
    assert http.get(PHOTO, headers=other).content == LARGE
    instance.bunbase("projects", "delete", clone["id"], "--confirm", clone["slug"])
    assert http.get(PHOTO, headers=other).status_code != 200
    instance.bunbase("projects", "restore", clone["id"])
    assert http.get(PHOTO, headers=other).content == LARGE
    http.delete(PHOTO, headers=other).raise_for_status()
    assert http.get(PHOTO, headers=secret).content == b"changed"
    for backup in instance.bunbase_json("backup", "list", "--project", shop.project)["items"]:
        instance.bunbase("backup", "delete", backup["id"], "--yes", "--project", shop.project)


def test_a_restore_needs_a_confirmation(instance: Instance, shop: Shop) -> None:
    instance.bunbase("backup", "restore", "bkp_x", "--project", shop.project, code=2)
    instance.bunbase("backup", "restore", "bkp_x", "--yes", "--project", shop.project, code=1)


def test_a_clone_is_a_separate_project_with_the_same_documents(instance: Instance, shop: Shop) -> None:
    before = len(instance.bunbase_json("backup", "list", "--project", shop.project)["items"])

    clone = instance.bunbase_json("backup", "clone", "Preview", "--project", shop.project)

    secret = {"X-Bunbase-Key": next(key["key"] for key in clone["keys"] if key["kind"] == "secret")}
    assert instance.http.get("/v1/data/orders/o0007", headers=secret).json()["n"] == 7
    instance.http.delete("/v1/data/orders/o0007", headers=secret).raise_for_status()
    assert instance.http.get("/v1/data/orders/o0007", headers=shop.secret).status_code == 200
    assert len(instance.bunbase_json("backup", "list", "--project", shop.project)["items"]) == before


def test_an_export_can_be_imported_into_another_project(instance: Instance, shop: Shop, tmp_path: Path) -> None:
    packed, plain = tmp_path / "all.ndjson.gz", tmp_path / "orders.ndjson"
    other = instance.bunbase_json("projects", "create", "Other")
    secret = {"X-Bunbase-Key": next(key["key"] for key in other["keys"] if key["kind"] == "secret")}
    instance.http.put("/v1/collections/orders", json={"indexes": []}, headers=secret).raise_for_status()

    instance.bunbase("data", "export", str(packed), "--project", shop.project)
    instance.bunbase("data", "export", str(plain), "--collection", "orders", "--project", shop.project)
    done = instance.bunbase_json("data", "import", str(packed), "--project", other["id"])
    again = instance.bunbase_json(
        "data", "import", str(plain), "--collection", "orders", "--mode", "skip", "--project", other["id"]
    )

    assert gzip.decompress(packed.read_bytes()).count(b"\n") == done["imported"] == DOCUMENTS
    assert (again["imported"], again["skipped"]) == (0, DOCUMENTS)
    instance.bunbase(
        "data", "export", str(plain), "--project", shop.project, code=2
    )  # The command refuses to overwrite the file.


def test_an_interrupted_export_can_be_resumed(instance: Instance, shop: Shop, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.ndjson", tmp_path / "broken.ndjson"
    instance.bunbase("data", "export", str(whole), "--project", shop.project)
    broken.write_bytes(whole.read_bytes()[:20_000])

    instance.bunbase("data", "export", str(broken), "--resume", "--project", shop.project)

    assert broken.read_bytes() == whole.read_bytes()


def test_an_import_with_an_invalid_line_fails_and_names_the_line(
    instance: Instance, shop: Shop, tmp_path: Path
) -> None:
    file = tmp_path / "bad.ndjson"
    file.write_bytes(b'{"_id":"new1"}\n{"_id":\n{"_id":"new2"}\n')

    words = ("data", "import", str(file), "--collection", "orders", "--json", "--project", shop.project)
    done = msgspec.json.decode(instance.bunbase(*words, code=1))

    assert (done["imported"], [error["line"] for error in done["errors"]]) == (2, [2])


def test_the_schedule_of_backups_is_shown_and_changed(instance: Instance, shop: Shop) -> None:
    shown = instance.bunbase_json("backup", "schedule", "--project", shop.project)
    changed = instance.bunbase_json("backup", "schedule", "--every-hours", "6", "--project", shop.project)
    inherited = instance.bunbase_json("backup", "schedule", "--inherit", "--project", shop.project)

    assert shown == {"every_hours": 24, "kept": 7, "own": False, "users": False, "files": True} == inherited
    assert changed == {"every_hours": 6, "kept": 7, "own": True, "users": False, "files": True}
