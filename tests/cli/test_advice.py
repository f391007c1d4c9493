"""The advice of a command contains only commands that its user can type."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bunbase.bunauth.service.proofs import PATH as PROOF_PATH
from bunbase.bunauth.service.session_tokens import SECOND_STEP
from bunbase.bunauth.service.totp import PATH as TOTP_PATH
from bunbase.cli.errors import Refused, Usage, in_commands
from bunbase.cli.http import at, at_v1
from bunbase.cli.mcp.project_api import data_path
from bunbase.cli.output import report
from tests.cli.conftest import Bunbase, in_terminal
from tests.cli.fake_api import FakeApi

SOURCE: Final = Path(__file__).parents[2] / "src/bunbase"
ROUTE: Final = re.compile(r"\b(?:GET|POST|PUT|PATCH|DELETE) [/…]")
# No command acts as an end user, so these routes have no command.
OF_END_USERS: Final = re.compile(r"[A-Z]+ /v1/auth/(?!users)")
NOT_FOR_COMMANDS: Final = ("cli", "gateway/examples.py", "pkg/rpc")


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
        ("There is no collection x: create it with PUT /v1/collections/x.", "`bunbase collections create x`"),
        ("A document d1 exists already; `put` replaces it, and `patch` changes it.", "d1 exists already."),
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


def test_no_problem_that_a_command_can_meet_advises_a_route_to_its_user() -> None:
    advised = [text for place in advising() for text in route_texts(place)]

    assert len(advised) > 5
    for text in advised:
        assert not ROUTE.search(in_commands(text)), text


@pytest.mark.parametrize(
    ("detail", "command"),
    [
        (f"Set one up first: {TOTP_PATH}.", "bunbase account second-factor on"),
        (f"No secret waits for its first code: begin again with {TOTP_PATH}.", "bunbase account second-factor on"),
        (f"Prove that this account is yours: {PROOF_PATH}, and then repeat this request.", "`bunbase login`"),
        (f"Send this challenge with a code to {SECOND_STEP}.", "bunbase login --code"),
        ('Transfer these projects, or delete them with "now": true.', "bunbase projects delete <slug> --now"),
        ("This is a personal access token: this act needs a session: sign in.", "`bunbase login`"),
    ],
)
def test_a_detail_of_shared_code_names_the_command(detail: str, command: str) -> None:
    assert command in in_commands(detail)
    assert not ROUTE.search(in_commands(detail))


def test_a_problem_is_shown_with_its_title_and_its_detail() -> None:
    taken = {"code": "email_taken", "title": "An account exists", "detail": "Sign in instead."}
    repeated = {"code": "wrong_proof", "title": "This proof is wrong", "detail": "This proof is wrong. Try again."}
    mistake = {"code": "invalid_input", "title": "The request is not acceptable", "detail": "name: too long."}
    wrong = {
        "code": "wrong_code",
        "title": "This code is wrong, or it was used before",
        "detail": "This code is wrong.",
    }
    owned = {"code": "account_owns_projects", "title": "T", "detail": "Move them.", "projects": ["shop", "oven"]}

    assert Refused(taken).detail == "An account exists. Sign in instead."
    assert Refused(repeated).detail == "This proof is wrong. Try again."
    assert Refused(wrong).detail == "This code is wrong."
    assert Refused(owned).detail == "T. Move them. The projects: shop, oven."
    assert Refused(mistake).detail == "name: too long."


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


@pytest.mark.parametrize("words", ["jobs list", "jobs runs hello", "env list", "functions list", "schedules list"])
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


def advising() -> Iterator[Path]:
    """Yield the modules whose text could be the detail of a problem and has a route in it."""
    for place in sorted(SOURCE.rglob("*.py")):
        if not place.relative_to(SOURCE).as_posix().startswith(NOT_FOR_COMMANDS) and ROUTE.search(place.read_text()):
            yield place


def route_texts(place: Path) -> Iterator[str]:
    """Yield the sentences with a route. In f-strings, "x" replaces the values.

    Constants of one word are no sentences.
    """
    tree = ast.parse(place.read_text())
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in documentation or id(node) in parts:
            continue
        text = _text(node)
        if ROUTE.search(OF_END_USERS.sub("", text)) and not ROUTE.match(text):
            yield text


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "x" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_nothing_that_a_server_says_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b]0;owned\x07\u202e\x9b2J"
    refused = Refused({"code": hostile, "title": hostile, "detail": hostile, "request_id": hostile})
    refused.asked = {"server": "http://server", "project": hostile, "project_from": hostile}

    report(refused, json=False)

    assert not set("\x1b\x07\u202e\x9b") & set(capsys.readouterr().err)


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_no_id_or_name_leads_to_another_route(segment: str) -> None:
    for path in (at, at_v1, data_path):
        with pytest.raises(Usage, match="is no id or name"):
            path("projects", segment, "env")


@pytest.mark.parametrize("path", ["/../../data", "..", "/%2E%2e/x"])
def test_a_path_stays_below_its_function(in_project: FakeApi, bunbase: Bunbase, path: str) -> None:
    said = bunbase("invoke", "hello", "--path", path, "--key", "sk_1")

    assert said.code == 2
    assert "leads elsewhere" in said.err
