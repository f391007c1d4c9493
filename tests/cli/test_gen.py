"""`bunbase gen types` writes the types of documents, and says when they are out of date."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi

POSTS = {"schema": {"required": ["title"], "properties": {"title": {"type": "string"}}}, "strict": True}


@pytest.fixture
def project(in_project: FakeApi) -> FakeApi:
    in_project.schemas = {"posts": POSTS, "notes": {"schema": None}}
    return in_project


def test_the_types_of_both_languages_are_written_once(project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    first = bunbase("gen", "types", "--lang", "ts,py", "--out", "src/database", "--json")
    second = bunbase("gen", "types", "--lang", "py,ts", "--out", "src/database", "--json")

    ts, py = [(home / "src" / name).read_text() for name in ("database.ts", "database.py")]
    assert "posts: { read: Post; write: NewPost; refs: {} };" in ts
    assert "class NewPost(PostFields):" in py
    revision = first.document["revision"]
    assert all(f"Revision of the schemas: {revision}" in text for text in (ts, py))
    assert [[one["changed"] for one in said.document["items"]] for said in (first, second)] == [[True] * 2, [False] * 2]
    assert sorted(path.name for path in (home / "src").iterdir()) == ["database.py", "database.ts"]


def test_check_writes_nothing_and_exits_with_5_until_the_file_is_up_to_date(
    project: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    check = ("gen", "types", "--out", "db.ts", "--check")
    missing = bunbase(*check)
    assert (missing.code, list(home.iterdir())) == (5, [])

    bunbase("gen", "types", "--out", "db.ts")
    written = (home / "db.ts").read_bytes()
    assert bunbase(*check).code == 0

    project.schemas["posts"] = {"schema": {"properties": {"title": {"type": "number"}}}}
    stale = bunbase(*check, "--json")
    assert (stale.code, stale.problem["code"]) == (5, "stale")
    assert "db.ts" in stale.problem["detail"]
    assert (home / "db.ts").read_bytes() == written


def test_the_types_can_go_to_standard_output(project: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("gen", "types", "--lang", "py")

    assert said.code == 0
    compile(said.out, "db.py", "exec")


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    (home / "real.ts").write_text("old")
    (home / "real.ts").chmod(0o640)
    (home / "db.ts").symlink_to("real.ts")

    assert bunbase("gen", "types", "--out", "db.ts").code == 0

    assert (home / "db.ts").is_symlink()
    assert (home / "real.ts").stat().st_mode & 0o777 == 0o640
    assert "export interface Database" in (home / "real.ts").read_text()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--lang", "go", "--out", "db.go"), "ts and py, and not go"),
        (("--lang", "", "--out", "db.ts"), "an empty text"),
        (("--lang", "ts,py", "--out", "db.ts"), "without an ending: db."),
        (("--lang", "ts,py"), "one language"),
        (("--check",), "nothing to check"),
    ],
)
def test_languages_and_files_that_do_not_fit_are_refused(
    project: FakeApi, bunbase: Bunbase, words: tuple[str, ...], why: str
) -> None:
    said = bunbase("gen", "types", *words)

    assert said.code == 2
    assert why in said.err
