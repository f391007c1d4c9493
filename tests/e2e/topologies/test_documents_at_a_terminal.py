"""Documents, collections and indexes with the `bunbase` command, as the guide shows them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.e2e.instance import BUNBASE, Instance

LONG = 9_223_372_036_854_775_807


@pytest.fixture(scope="module")
def folder(instance: Instance) -> Path:
    """Return the folder of a project that the commands of this file act on."""
    instance.bunbase("register", "--email", "dora@example.com")
    folder = instance.home / "blog"
    folder.mkdir()
    instance.bunbase_json("projects", "create", "Blog", cwd=folder)
    for collection in ("posts", "numbers", "notes", "old", "items", "books"):
        instance.bunbase("collections", "create", collection, cwd=folder)
    return folder


def shell(instance: Instance, folder: Path, lines: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUNBASE, "data", "shell", *flags],
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=instance.environment(),
        check=False,
    )


def test_documents_are_created_read_changed_and_deleted(instance: Instance, folder: Path) -> None:
    (folder / "post.json").write_text('{"_id": "b", "likes": 3}')

    made = instance.bunbase_json("data", "create", "posts", f'{{"_id": "a", "likes": {LONG}}}', cwd=folder)
    instance.bunbase("data", "create", "posts", "@post.json", cwd=folder)
    put = instance.bunbase_json("data", "put", "posts", "c", '{"likes": 9}', "--if-rev", "0", cwd=folder)
    changed = instance.bunbase_json("data", "patch", "posts", "b", '{"$inc": {"likes": 4}}', cwd=folder)

    assert (made["likes"], put["_rev"], changed["likes"]) == (LONG, 1, 7)
    assert instance.bunbase_json("data", "get", "posts", "a", cwd=folder) == made
    assert f'  "likes": {LONG}' in instance.bunbase("data", "get", "posts", "a", cwd=folder)
    instance.bunbase("data", "put", "posts", "c", '{"likes": 1}', "--if-rev", "0", code=1, cwd=folder)
    instance.bunbase("data", "create", "posts", "[1]", code=2, cwd=folder)
    instance.bunbase("data", "create", "posts", "{", code=2, cwd=folder)
    removed = instance.bunbase_json("data", "delete", "posts", "c", cwd=folder)
    assert removed == put
    instance.bunbase("data", "get", "posts", "c", code=1, cwd=folder)


def test_queries_show_documents_line_by_line_and_pages_as_json(instance: Instance, folder: Path) -> None:
    for number in range(5):
        instance.bunbase("data", "put", "numbers", f"n{number}", f'{{"n": {number}}}', cwd=folder)

    lines = instance.bunbase(
        "data", "query", "numbers", '{"n": {"$gt": 1}}', "--sort", "-n", "--select", "n", cwd=folder
    )
    page = instance.bunbase_json("data", "query", "numbers", "--limit", "2", "--count", "--sort", "n", cwd=folder)
    rest = instance.bunbase_json(
        "data", "query", "numbers", "--limit", "3", "--sort", "n", "--cursor", page["next"], cwd=folder
    )
    all_of_them = instance.bunbase("data", "query", "numbers", "--all", cwd=folder)

    assert [msgspec.json.decode(line)["n"] for line in lines.splitlines()] == [4, 3, 2]
    assert (page["count"], [one["n"] for one in page["items"] + rest["items"]]) == (5, [0, 1, 2, 3, 4])
    assert len(all_of_them.splitlines()) == 5
    instance.bunbase("data", "query", "numbers", "n > 1", code=2, cwd=folder)


@pytest.mark.parametrize("words", [("query", "nots"), ("query", "nots", "--all"), ("get", "nots", "a")])
def test_an_unknown_collection_is_named_with_the_nearest_one(
    instance: Instance, folder: Path, words: tuple[str, ...]
) -> None:
    problem = instance.bunbase_problem("data", *words, code=1, cwd=folder)

    assert problem["code"] == "collection_not_found"
    assert problem["detail"] == "There is no collection nots. Did you mean notes?"


def test_a_shell_reads_and_writes_only_if_it_may(instance: Instance, folder: Path) -> None:
    lines = 'put notes n1 {"text": "a b"}\npatch notes n1 {"done": true}\nquery notes {"done": true}\ncount notes\n'

    refused = shell(instance, folder, lines)
    done = shell(instance, folder, f"# a comment\n\n{lines}get notes n1\ndelete notes n1\nexit\nnonsense", "--write")
    unknown = shell(instance, folder, "drop notes\ncount notes")
    short = shell(instance, folder, "get notes")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--write" in refused.stderr
    assert done.returncode == 0, done.stderr
    # These are the answers to put, patch and get. A query prints documents without spaces.
    assert done.stdout.count('"text": "a b"') == 3
    assert '"text":"a b"' in done.stdout
    assert "\n1\n" in done.stdout
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert (short.returncode, "get COLLECTION ID" in short.stderr) == (1, True)


def test_collections_are_listed_shown_and_dropped_by_name(instance: Instance, folder: Path) -> None:
    instance.bunbase("data", "put", "old", "o1", "{}", cwd=folder)

    listed = instance.bunbase_json("collections", "list", cwd=folder)["items"]
    shown = instance.bunbase_json("collections", "show", "old", cwd=folder)
    asked = instance.bunbase_problem("collections", "drop", "old", code=2, cwd=folder)
    instance.bunbase("collections", "drop", "old", "--confirm", "new", code=2, cwd=folder)

    assert "old" in [one["name"] for one in listed]
    assert shown["documents"] == 1
    assert asked["detail"] == "To confirm without a terminal: --confirm old"
    assert instance.bunbase_json("collections", "drop", "old", "--confirm", "old", cwd=folder)["documents"] == 1
    instance.bunbase("collections", "show", "old", code=1, cwd=folder)


def test_indexes_are_created_listed_and_dropped(instance: Instance, folder: Path) -> None:
    for id in ("i1", "i2"):
        instance.bunbase("data", "put", "items", id, '{"kind": "a", "n": 1}', cwd=folder)

    made = instance.bunbase_json("indexes", "create", "items", "kind", "-n", "--name", "by_kind", cwd=folder)
    listed = instance.bunbase_json("indexes", "list", "items", cwd=folder)["items"]

    assert (made["ready"], made["fields"]) == (True, ["kind", "-n"])
    assert [(one["collection"], one["name"]) for one in listed] == [("items", "by_kind")]
    assert "by_kind" in instance.bunbase("data", "query", "items", '{"kind": "a"}', "--explain", "--json", cwd=folder)
    assert instance.bunbase_json("indexes", "create", "items", "kind", "-n", cwd=folder) == made
    instance.bunbase("indexes", "create", "items", "kind", "-n", "--name", "other", code=2, cwd=folder)
    instance.bunbase("indexes", "create", "items", "n", "--unique", code=1, cwd=folder)
    assert len(instance.bunbase_json("indexes", "list", cwd=folder)["items"]) == 1
    instance.bunbase("indexes", "drop", "items", "by_kind", code=2, cwd=folder)
    instance.bunbase("indexes", "drop", "items", "none", "--confirm", "none", code=1, cwd=folder)
    instance.bunbase("indexes", "drop", "items", "by_kind", "--confirm", "by_kind", cwd=folder)
    assert instance.bunbase_json("indexes", "list", "items", cwd=folder)["items"] == []


def test_documents_that_do_not_match_the_schema_are_listed(instance: Instance, folder: Path) -> None:
    instance.bunbase("data", "put", "books", "b1", '{"pages": "many"}', cwd=folder)
    (folder / "schemas.toml").write_text('[books.schema]\nproperties.pages = { type = "integer" }\n')
    instance.bunbase("schemas", "push", code=2, cwd=folder)
    instance.bunbase("schemas", "push", "--allow-losing", "books.pages", cwd=folder)

    found = instance.bunbase("collections", "misfits", "books", "--json", code=1, cwd=folder)
    instance.bunbase("data", "put", "books", "b1", '{"pages": 7}', cwd=folder)

    assert [one["id"] for one in msgspec.json.decode(found)["items"]] == ["b1"]
    assert instance.bunbase_json("collections", "misfits", "books", cwd=folder)["examined"] == 1


def test_variables_come_back_in_a_file_that_git_does_not_commit(instance: Instance, folder: Path) -> None:
    values = {"PLAIN": "a=b", "SPACES": "two  words # no comment", "LINES": "one\ntwo", "QUOTES": 'it\'s "$5" \\n'}
    for name, value in values.items():
        instance.bunbase("env", "set", f"{name}={value}", cwd=folder)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)

    instance.bunbase("env", "pull", code=2, cwd=folder)
    (folder / ".gitignore").write_text(".env\n")
    instance.bunbase("env", "pull", cwd=folder)
    instance.bunbase("env", "pull", code=2, cwd=folder)

    file = folder / ".env"
    assert file.stat().st_mode & 0o777 == 0o600
    for name in values:
        instance.bunbase("env", "unset", name, cwd=folder)
    instance.bunbase("env", "set", "--file", ".env", cwd=folder)
    revealed = instance.bunbase_json("env", "list", "--reveal", cwd=folder)["items"]
    assert {one["name"]: one["value"] for one in revealed} == values


def test_the_versions_of_command_and_server_are_compared(instance: Instance) -> None:
    assert instance.bunbase_json("upgrade", "check")["equal"] is True
