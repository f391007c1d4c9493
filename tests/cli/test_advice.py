"""The advice of a command is something that its user can type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from bunbase.cli.errors import Refused, in_commands
from tests.cli.conftest import Bunbase, in_terminal
from tests.cli.fake_api import FakeApi

SOURCE: Final = Path(__file__).parents[2] / "src/bunbase"
ROUTE: Final = re.compile(r"\b(?:GET|POST|PUT|PATCH|DELETE) [/…]")
ADVISING: Final = ("bundoc/backups/archive.py", "bundoc/service.py", "tenant_auth/people.py")


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        ("env remove A", "unset"),
        ("env rm A", "unset"),
        ("env delete A", "unset"),
        ("projects remove shop", "delete"),
        ("keys delete k", "revoke"),
        ("keys add", "create"),
        ("backup rm b", "delete"),
        ("functions ls", "list"),
        ("functions undo hello", "rollback"),
        ("functions add hello", "new"),
        ("jobs unset j", "delete"),
        ("jobs retry j", "replay"),
        ("rules apply", "push"),
        ("backup lst", "list"),
        ("signup", "register"),
        ("projcts", "projects"),
    ],
)
def test_an_unknown_subcommand_suggests_the_one_that_means_the_same(
    bunbase: Bunbase, words: str, suggested: str
) -> None:
    said = bunbase(*words.split())

    assert said.code == 2
    assert f'Did you mean "{suggested}"' in said.err


@pytest.mark.parametrize(
    ("detail", "advice"),
    [
        ("This project has no backup b; GET …/backups lists its backups.", "`bunbase backup list`"),
        ("There is no collection x: create it with PUT /v1/collections/x.", "`bunbase rules push`"),
        ("A document d1 exists already; PUT replaces a document, PATCH changes it.", "d1 exists already."),
        ("`setup_token` is missing: the first account becomes the administrator.", "`--setup-token` is missing"),
        ("restore it with `unauthenticated`: true (bunbase backup restore --unauthenticated).", "with `bunbase backup"),
    ],
)
def test_a_problem_that_a_command_shows_advises_a_command(detail: str, advice: str) -> None:
    failure = Refused({"code": "x", "detail": detail})

    assert advice in failure.detail
    assert not ROUTE.search(failure.detail)
    assert "`unauthenticated`: true" not in failure.detail
    assert failure.document()["detail"] == detail


def test_every_problem_that_advises_a_route_has_a_text_for_commands() -> None:
    for place in ADVISING:
        advised = [line for line in (SOURCE / place).read_text("utf-8").splitlines() if ROUTE.search(line)]
        assert advised, place
        for line in advised:
            text = re.findall(r'"([^"]+)"', line)[0]
            assert not ROUTE.search(in_commands(text)), line


def test_a_compressed_export_that_exists_is_not_offered_to_be_resumed(
    in_project: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    (home / "all.ndjson.gz").write_bytes(b"")
    (home / "all.ndjson").write_bytes(b"")

    compressed, plain = bunbase("data", "export", "all.ndjson.gz"), bunbase("data", "export", "all.ndjson")

    assert (compressed.code, plain.code) == (2, 2)
    assert "name another file" in compressed.err
    assert "--resume" not in compressed.err
    assert "--resume" in plain.err


@pytest.mark.parametrize("words", ["jobs list", "jobs runs hello", "env list", "functions list", "schedules"])
def test_an_empty_list_has_a_hint(in_project: FakeApi, bunbase: Bunbase, words: str) -> None:
    said = bunbase(*words.split())

    assert said.code == 0
    assert said.err.strip()


def test_every_line_of_a_narrow_list_has_a_name(in_project: FakeApi) -> None:
    lines = in_terminal("projects", "list", columns=30).splitlines()

    assert any("chosen" in line for line in lines)


def test_a_name_that_is_refused_is_quoted_as_it_was_typed(in_project: FakeApi, bunbase: Bunbase) -> None:
    function, variable = bunbase("functions", "new", "Bad Name"), bunbase("env", "set", "1X=3")

    assert 'A function cannot be called "Bad Name":' in function.err
    assert '"1X" cannot be a variable' in variable.err
    assert "the first one is not a digit" in variable.err


def test_a_host_that_is_unknown_is_named_in_plain_words(
    bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("BUNBASE_TOKEN", "bpt_x")

    said = bunbase("projects", "list", "--url", "https://there-is-none.invalid")

    assert said.code == 4
    assert "cannot be reached: its host was not found; check the address and the network." in said.err
    assert "Errno" not in said.err
    assert ".." not in said.err
