"""`bunbase rules test` runs test cases against rules.toml; `bunbase rules push` saves the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi

RULES = """
[posts]
list = "auth.uid == doc.owner"
get = "doc.open == true || auth.uid == doc.owner"
create = "auth.uid in get('teams', next.team).members"

[posts.hidden]
email = "auth.uid != doc.owner"
"""

TESTS = """
[documents.teams.red]
members = ["ada"]

[[case]]
name = "the owner reads everything"
collection = "posts"
op = "get"
auth = { uid = "ada" }
doc = { owner = "ada", open = false }
expect = "allow"
hidden = []

[[case]]
name = "others see open posts without the address"
collection = "posts"
op = "get"
auth = { uid = "eve" }
doc = { owner = "ada", open = true }
expect = "allow"
hidden = ["email"]

[[case]]
name = "members write"
collection = "posts"
op = "create"
auth = { uid = "ada" }
next = { team = "red" }
expect = "allow"
"""

WRONG = """
[[case]]
name = "strangers read"
collection = "posts"
op = "get"
doc = { open = false }
expect = "allow"
"""


@pytest.fixture
def files(home: Path) -> Path:
    (home / "rules.toml").write_text(RULES)
    (home / "rules.test.toml").write_text(TESTS)
    return home


def test_cases_with_the_expected_decision_pass(in_project: FakeApi, bunbase: Bunbase, files: Path) -> None:
    said = bunbase("rules", "test", "--json")

    assert [(one["name"], one["ok"]) for one in said.document["items"]] == [
        ("the owner reads everything", True),
        ("others see open posts without the address", True),
        ("members write", True),
    ]
    assert said.document["failed"] == 0
    assert 0 < said.document["coverage"] < 100
    assert in_project.rules == {}


def test_a_case_with_another_decision_fails_with_a_trace(in_project: FakeApi, bunbase: Bunbase, files: Path) -> None:
    (files / "wrong.test.toml").write_text(WRONG)

    said = bunbase("rules", "test", "wrong.test.toml")

    assert said.code == 1
    assert "✗ wrong.test.toml: strangers read: expected allow, got deny" in said.out
    assert "doc.open == true → false" in said.out
    assert said.out.splitlines()[0].startswith("0 of 1 cases passed")
    assert said.out.splitlines()[-1].startswith("    ")


def test_uncovered_conditions_are_shown_and_coverage_adds_up_over_files(
    in_project: FakeApi, bunbase: Bunbase, files: Path
) -> None:
    alone, verbose = bunbase("rules", "test"), bunbase("rules", "test", "--verbose")
    (files / "rules").mkdir()
    (files / "rules" / "more.test.json").write_text(
        '{"case":[{"name":"n","collection":"posts","op":"list","auth":{"uid":"a"},"doc":{"owner":"a"},"expect":"allow"}]}'
    )

    more = bunbase("rules", "test", "--json")

    assert "never true" in verbose.out
    assert "never true" not in alone.out
    assert "--verbose" in alone.err
    rows = [line.split() for line in alone.out.splitlines()]
    assert ["posts", "list", "0", "of", "2"] in rows
    assert ["posts", "get", "3", "of", "4"] in rows
    uncovered = {rule["rule"]: rule for rule in more.document["uncovered"]}
    assert [one["never"] for one in uncovered["list"]["missing"]] == [False]


def test_rules_test_fails_below_the_minimum_coverage(in_project: FakeApi, bunbase: Bunbase, files: Path) -> None:
    said = bunbase("rules", "test", "--min-coverage", "100")

    assert said.code == 1
    assert "at least 100 % are required" in said.err


def test_rules_test_and_push_warn_about_list_rules_without_an_index(
    in_project: FakeApi, bunbase: Bunbase, files: Path
) -> None:
    tested, listed, pushed = bunbase("rules", "test"), bunbase("rules", "test", "--json"), bunbase("rules", "push")

    for said in (tested, pushed):
        assert "Add an index on [owner] to the collection." in said.err
    assert [one["index"] for one in listed.document["warnings"]] == [{"fields": ["owner"]}]
    assert "index" not in listed.err


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("rules.toml", "", "has no rules"),
        ("rules.toml", "[posts]\nread = 'true'", "read"),
        ("rules.toml", "[posts", "rules.toml"),
        ("rules.test.toml", "", "case"),
        ("rules.test.toml", WRONG.replace("allow", "perhaps"), "perhaps"),
    ],
)
def test_an_invalid_rules_or_test_file_is_named(
    in_project: FakeApi, bunbase: Bunbase, files: Path, name: str, content: str, why: str
) -> None:
    (files / name).write_text(content)

    said = bunbase("rules", "test")

    assert said.code == 2
    assert why in said.err


def test_rules_push_saves_nothing_if_a_rule_is_invalid(in_project: FakeApi, bunbase: Bunbase, files: Path) -> None:
    (files / "rules.toml").write_text(f"{RULES}\n[zebras]\nget = '1 +'\n")

    said = bunbase("rules", "push", "--json")

    assert said.code == 1
    assert said.problem["code"] == "invalid_rule"
    assert in_project.rules == {}


def test_rules_push_saves_the_rules_of_every_collection(in_project: FakeApi, bunbase: Bunbase, files: Path) -> None:
    said = bunbase("rules", "push", "--json")

    assert said.document["collections"] == ["posts"]
    assert in_project.rules["posts"]["hidden"] == {"email": "auth.uid != doc.owner"}


def test_rules_test_without_test_files_is_a_usage_error(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    (home / "rules.toml").write_text(RULES)

    assert bunbase("rules", "test").code == 2
