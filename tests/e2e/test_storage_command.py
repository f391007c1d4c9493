"""`bunbase storage` as people use it: buckets, copies in each direction, synchronisation, links, deletions."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.e2e.instance import Instance


class Files:
    """A project with the bucket `photos`, and an empty folder."""

    def __init__(self, dev: Instance, folder: Path) -> None:
        self.dev, self.folder = dev, folder
        folder.mkdir()
        self.made = dev.bunbase_json("projects", "create", folder.name, cwd=folder)
        self.bunbase("buckets", "create", "photos")

    def bunbase(self, *words: str, code: int = 0) -> str:
        return self.dev.bunbase("storage", *words, "--project", self.made["slug"], cwd=self.folder, code=code)

    def json(self, *words: str, code: int = 0) -> Any:
        return msgspec.json.decode(self.bunbase(*words, "--json", code=code))

    def problem(self, *words: str, code: int) -> str:
        found: str = self.dev.bunbase_problem(
            "storage", *words, "--project", self.made["slug"], cwd=self.folder, code=code
        )["code"]
        return found

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def keys(self, place: str = "photos:") -> list[str]:
        return [one["key"] for one in self.json("ls", place, "-r")["items"]]

    def put(self, key_in_url: str, data: bytes) -> None:
        key = next(one["key"] for one in self.made["keys"] if one["kind"] == "secret")
        at = f"/v1/storage/objects/photos/{key_in_url}"
        self.dev.http.put(at, content=data, headers={"x-bunbase-key": key}).raise_for_status()


@pytest.fixture(scope="module")
def dev(running_dev: Instance) -> Instance:
    running_dev.bunbase("register", "--email", "ada@example.com")
    return running_dev


@pytest.fixture
def files(dev: Instance, request: pytest.FixtureRequest) -> Files:
    return Files(dev, dev.home / request.node.name[:40])


def test_a_file_is_uploaded_listed_downloaded_moved_and_deleted(files: Files) -> None:
    data = os.urandom(300_000)
    files.write("rye.jpg", data)

    assert files.json("cp", "rye.jpg", "photos:2026/") == result(1, len(data))
    (stored,) = files.json("ls", "photos:2026/")["items"]
    assert (stored["key"], stored["content_type"], stored["etag"]) == ("2026/rye.jpg", "image/jpeg", md5(data))
    assert files.json("ls", "photos:")["prefixes"] == ["2026/"]
    assert "photos" in files.bunbase("ls")

    files.bunbase("cp", "photos:2026/rye.jpg", "copy.jpg")
    assert (files.folder / "copy.jpg").read_bytes() == data
    files.bunbase("cp", "photos:2026/rye.jpg", "photos:b/")
    files.bunbase("mv", "photos:b/rye.jpg", "photos:c.jpg")
    assert files.keys() == ["2026/rye.jpg", "c.jpg"]
    link = files.json("sign", "photos:c.jpg", "--expires-in", "60")["url"]
    assert httpx.get(link, trust_env=False).content == data

    assert files.problem("rm", "photos:2026/", code=2) == "usage"
    assert files.json("rm", "photos:c.jpg", "photos:none") == {"deleted": 2, "failed": []}
    assert files.problem("rm", "-r", "photos:", code=2) == "usage"  # nobody is there to confirm
    assert files.json("rm", "-r", "photos:", "--yes") == {"deleted": 1, "failed": []}
    assert files.json("usage")["objects"] == 0
    files.bunbase("buckets", "delete", "photos", "--yes")


def test_a_folder_is_copied_up_and_down_without_links(files: Files) -> None:
    content = {"a.txt": b"a", "b/c d.txt": b"cd", "b/.hidden": b"", "é/+%#?.bin": b"x" * 5000}
    for name, data in content.items():
        files.write(f"up/{name}", data)
    (files.folder / "up/link").symlink_to("/etc/passwd")
    (files.folder / "up/loop").symlink_to(".", target_is_directory=True)

    files.bunbase("cp", "up", "photos:", code=2)
    assert files.json("cp", "-r", "up", "photos:x")["transferred"] == len(content)
    assert files.keys() == sorted((f"x/{name}" for name in content), key=str.encode)
    assert files.json("cp", "-r", "photos:x/", "down")["transferred"] == len(content)

    assert read(files.folder / "down") == content


def test_keys_that_are_no_paths_never_leave_the_folder_of_a_download(files: Files) -> None:
    """One key of the bucket leads out of the folder, one through a link in it; the good key still arrives."""
    for key in ("..%2Fescaped", "%2Fabsolute", "a%2F%2Fb", "in%2Fside", "good"):
        files.put(key, b"data")
    (files.folder / "down").mkdir()
    (files.folder / "down/in").symlink_to(files.folder)

    down = files.json("cp", "-r", "photos:", "down", code=1)

    assert sorted(one["code"] for one in down["failed"]) == [*["key_is_no_path"] * 3, "path_is_a_link"]
    assert (files.folder / "down/good").read_bytes() == b"data"
    assert sorted(one.name for one in files.folder.iterdir()) == ["down"]
    files.bunbase("cp", "photos:../escaped", "under-another-name")
    assert (files.folder / "under-another-name").read_bytes() == b"data"


def test_a_dash_is_stdin_or_stdout(files: Files) -> None:
    """The tests give the command an empty stdin."""
    files.write("a.txt", b"text\n")
    files.bunbase("cp", "a.txt", "photos:")

    assert files.bunbase("cp", "photos:a.txt", "-") == "text\n"
    files.bunbase("cp", "-", "photos:empty")
    assert [(one["key"], one["size"]) for one in files.json("ls", "photos:")["items"]] == [("a.txt", 5), ("empty", 0)]


def test_synchronisation_copies_and_deletes_only_what_differs(files: Files) -> None:
    for name, data in {"same": b"1", "changed": b"one", "gone": b"3"}.items():
        files.write(f"site/{name}", data)
    assert files.json("sync", "site", "photos:s/")["transferred"] == 3
    files.write("site/changed", b"two")
    files.write("site/new", b"4")
    (files.folder / "site/gone").unlink()

    plan = files.json("sync", "site", "photos:s/", "--delete", "--dry-run")
    assert plan == {"copied": ["changed", "new"], "deleted": ["gone"], "equal": 1, "bytes": 4}
    assert files.problem("sync", "site", "photos:s/", "--delete", code=2) == "usage"
    assert files.json("sync", "site", "photos:s/", "--delete", "--yes") == result(2, 4, skipped=1, deleted=1)
    assert files.json("sync", "site", "photos:s/", "--delete") == result(0, 0, skipped=3)

    files.write("site/only-here", b"5")
    files.write("site/same", b"changed again")
    assert files.json("sync", "photos:s/", "site", "--delete", "--yes") == result(1, 1, skipped=2, deleted=1)
    assert read(files.folder / "site") == {"changed": b"two", "new": b"4", "same": b"1"}


def test_a_failed_download_leaves_the_earlier_file_and_no_other(files: Files) -> None:
    files.write("kept.txt", b"earlier")

    assert files.json("cp", "photos:none", "kept.txt", code=1)["failed"][0]["code"] == "object_not_found"

    assert {one.name: one.read_bytes() for one in files.folder.iterdir()} == {"kept.txt": b"earlier"}


def test_commands_that_cannot_work_say_so_before_they_change_anything(files: Files) -> None:
    codes = {
        ("cp", "a", "b"): "usage",
        ("cp", "none.txt", "photos:"): "file_not_found",
        ("cp", "-r", "none", "photos:"): "folder_not_found",
        ("cp", "photos:a/", "here"): "usage",
        ("cp", "-", "photos:"): "usage",
        ("sync", "photos:", "photos:a/"): "usage",
        ("ls", "photos"): "usage",
        ("ls", f"photos:{'k' * 1025}"): "usage",
        ("buckets", "update", "photos"): "usage",
    }

    assert {words: files.problem(*words, code=2) for words in codes} == codes


def result(transferred: int, size: int, skipped: int = 0, deleted: int = 0) -> dict[str, Any]:
    return {"transferred": transferred, "bytes": size, "skipped": skipped, "deleted": deleted, "failed": []}


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def read(folder: Path) -> dict[str, bytes]:
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
