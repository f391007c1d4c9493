"""A command asks questions only at a terminal: never through a pipe, and never in CI, even with a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi


@pytest.fixture(params=["pipe", "CI=1 in a terminal", "CI=true in a pipe"])
def unattended(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: "terminal" in request.param, raising=False)
    if "CI=" in request.param:
        monkeypatch.setenv("CI", request.param.split()[0].removeprefix("CI="))


@pytest.mark.usefixtures("unattended")
@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["projects", "delete", "guestbook"], "--confirm guestbook"),
        (["projects", "transfer", "guestbook", "acme"], "--yes"),
        (["auth", "rotate-key", "--now"], "--yes"),
        (["login", "--code", "123456"], "--email"),
        (["login"], "--token-stdin"),
        (["login", "--email", "ada@example.com"], "--password-stdin"),
    ],
)
def test_a_missing_answer_is_a_usage_error_that_names_the_flag(
    in_project: FakeApi, bunbase: Bunbase, words: list[str], flag: str
) -> None:
    said = bunbase(*words)

    assert said.code == 2
    assert flag in said.err
    assert len(in_project.projects) == 1
    assert in_project.replaced_keys == 0


def test_a_deletion_takes_the_name_and_no_other_word(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")

    wrong = bunbase("projects", "delete", "guestbook", "--confirm", "yes")
    right = bunbase("projects", "delete", "guestbook", "--confirm", "guestbook")

    assert (wrong.code != 0, right.code) == (True, 0)
    assert in_project.projects == {}


@pytest.mark.parametrize("words", [["pull"], ["pull", "--dry-run"], ["diff"], ["deploy"]])
def test_a_command_that_fails_leaves_the_file_as_it_was(
    in_project: FakeApi, bunbase: Bunbase, home: Path, words: list[str]
) -> None:
    text = '[auth]\napp_name = "Shop" # mine\n'
    (home / "bunbase.toml").write_text(text)

    said = bunbase(*words, "--project", "nowhere", "--json")

    assert said.code == 1
    assert said.out == ""
    assert said.problem["code"] == "project_not_found"
    assert (home / "bunbase.toml").read_text() == text
    assert [one.name for one in home.iterdir()] == ["bunbase.toml"]


def test_a_variable_that_is_stronger_than_the_target_is_named_before_anything_happens(
    in_project: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    (home / "bunbase.toml").write_text(
        '[target.live]\nserver = "https://live.example"\nproject = "guestbook"\n[auth]\napp_name = "Shop"\n'
    )

    said = bunbase("diff", "--target", "live")

    assert said.code == 5
    first = said.err.splitlines()[0]
    assert first.startswith("BUNBASE_URL names another server than [target.live]")
    assert in_project.url in first


def test_a_pull_of_an_unreachable_server_leaves_the_file_as_it_was(
    in_project: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    (home / "bunbase.toml").write_text("# mine\n")

    said = bunbase("pull", "--url", "http://127.0.0.1:9")

    assert said.code != 0
    assert (home / "bunbase.toml").read_text() == "# mine\n"
