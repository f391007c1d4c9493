from __future__ import annotations

from pathlib import Path

import pytest

from bunbase.cli import keys
from bunbase.contracts.caller import CallerKind
from tests.cli.conftest import Bunbase, executable, kept
from tests.cli.fake_api import FakeApi


def test_projects_create_prints_the_keys_and_stores_the_secret_key(signed_in: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("projects", "create", "Guestbook", "--json")

    assert [key["kind"] for key in said.document["keys"]] == ["publishable", "secret"]
    kept_key = kept().server(signed_in.url).key_of("prj_1")
    assert kept_key is not None
    assert (kept_key.kind, kept_key.key) == (CallerKind.SECRET, "sk_2")


def test_projects_create_prints_the_keys_even_if_they_cannot_be_stored(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNBASE_TOKEN", "at_1")
    monkeypatch.setenv("BUNBASE_CREDENTIALS", "/proc/nobody-can-write-here/credentials.json")

    said = bunbase("projects", "create", "Guestbook")

    assert said.code == 0
    assert "sk_2" in said.out
    assert "could not be stored" in said.err


def test_projects_list_shows_every_page_and_marks_the_chosen_project(signed_in: FakeApi, bunbase: Bunbase) -> None:
    for name in ("One", "Two", "Three", "Four", "Five"):
        bunbase("projects", "create", name)

    listed = bunbase("projects", "list", "--json").document

    assert [project["slug"] for project in listed["items"]] == ["one", "two", "three", "four", "five"]
    assert listed["next"] is None
    starred = [line for line in bunbase("projects", "list").out.splitlines() if line.startswith("*")]
    assert len(starred) == 1
    assert "five" in starred[0]


def test_projects_list_without_projects_prints_a_hint(signed_in: FakeApi, bunbase: Bunbase) -> None:
    assert bunbase("projects", "list", "--json").document == {"items": [], "next": None}
    assert "bunbase projects create" in bunbase("projects", "list").err


@pytest.mark.parametrize("named", ["prj_1", "one"])
def test_projects_use_chooses_by_id_or_slug(signed_in: FakeApi, bunbase: Bunbase, named: str) -> None:
    bunbase("projects", "create", "One")
    bunbase("projects", "create", "Two")

    assert bunbase("projects", "use", named, "--json").document["id"] == "prj_1"

    assert bunbase("whoami", "--json").document["project"] == "one"


def test_projects_use_of_an_unknown_project_is_refused(signed_in: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("projects", "use", "nobody", "--json")

    assert said.code == 1
    assert said.problem["status"] == 404


def test_projects_use_writes_the_project_into_bunbase_toml_and_keeps_the_rest(
    in_project: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    (home / "bunbase.toml").write_text('# mine\n[server.gateway]\nport = 1  # as it is\n\n[project]\nid = "prj_old"\n')

    bunbase("projects", "use", "guestbook")

    assert (home / "bunbase.toml").read_text() == (
        '# mine\n[server.gateway]\nport = 1  # as it is\n\n[project]\nid = "prj_1"\nslug = "guestbook"\n'
    )


def test_an_invalid_bunbase_toml_prevents_the_creation_of_a_project(
    signed_in: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    (home / "bunbase.toml").write_text("[project")

    assert bunbase("projects", "create", "Guestbook").code == 2

    assert signed_in.projects == {}


def test_the_project_is_chosen_by_flag_then_environment_then_file_then_last_use(
    signed_in: FakeApi, bunbase: Bunbase, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("One", "Two", "Three", "Four"):
        bunbase("projects", "create", name)

    def keys_of(*flags: str) -> str:
        return str(bunbase("keys", "list", "--json", *flags).document["items"][0]["id"])

    assert keys_of() == "key_7"
    (home / "bunbase.toml").write_text('[project]\nslug = "three"\n')
    assert keys_of() == "key_5"
    monkeypatch.setenv("BUNBASE_PROJECT", "two")
    assert keys_of() == "key_3"
    assert keys_of("--project", "one") == "key_1"


def test_without_a_project_the_command_explains_how_to_choose_one(signed_in: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("env", "list", "--json")

    assert said.code == 2
    assert said.problem["code"] == "no_project"


def test_projects_delete_needs_the_slug_and_with_now_deletes_the_stored_key(
    in_project: FakeApi, bunbase: Bunbase
) -> None:
    assert executable("projects", "delete", "guestbook").code == 2
    assert bunbase("projects", "delete", "guestbook", "--confirm", "other").code == 1
    assert "prj_1" in in_project.projects

    said = bunbase("projects", "delete", "guestbook", "--confirm", "guestbook", "--now", "--json")

    assert said.document == {"id": "prj_1", "deleted": True}
    assert in_project.projects == in_project.deleted == {}
    assert kept().server(in_project.url).key_of("prj_1") is None
    assert kept().server(in_project.url).project is None


def test_a_deleted_project_is_listed_and_restored_with_its_stored_key(in_project: FakeApi, bunbase: Bunbase) -> None:
    deleted = bunbase("projects", "delete", "guestbook", "--confirm", "guestbook")
    assert "bunbase projects restore guestbook" in deleted.err
    assert in_project.projects == {}

    listed = bunbase("projects", "list", "--deleted", "--json").document
    assert [one["slug"] for one in listed["items"]] == ["guestbook"]
    assert "guestbook" in bunbase("projects", "list", "--deleted").out
    assert bunbase("projects", "restore", "guestbook", "--json").document["id"] == "prj_1"

    assert "prj_1" in in_project.projects
    assert kept().server(in_project.url).key_of("prj_1") is not None


def test_a_deleted_project_can_be_destroyed_before_its_time(in_project: FakeApi, bunbase: Bunbase) -> None:
    bunbase("projects", "delete", "guestbook", "--confirm", "guestbook")

    assert bunbase("projects", "delete", "guestbook", "--confirm", "guestbook", "--json").problem["status"] == 410
    assert bunbase("projects", "delete", "guestbook", "--yes", "--now").code == 0

    assert in_project.deleted == {}


def test_a_project_is_created_in_an_organisation_and_moves_to_another(signed_in: FakeApi, bunbase: Bunbase) -> None:
    for name in ("Guild", "Crew"):
        bunbase("orgs", "create", name)

    assert bunbase("projects", "create", "Shop", "--org", "guild", "--json").document["slug"] == "shop"
    assert signed_in.projects["prj_1"].org == "guild"
    assert bunbase("projects", "transfer", "shop", "crew", "--yes", "--json").document["org"] == "org_2"
    assert "belongs to guild" in bunbase("projects", "transfer", "shop", "guild", "--yes").err


def test_a_new_secret_key_replaces_the_stored_key_and_a_publishable_one_does_not(
    in_project: FakeApi, bunbase: Bunbase
) -> None:
    def kept_key() -> str | None:
        found = kept().server(in_project.url).key_of("prj_1")
        return found.key if found else None

    assert bunbase("keys", "create", "--kind", "publishable", "--json").document["key"] == "pk_3"
    assert kept_key() == "sk_2"
    assert bunbase("keys", "create", "--name", "ci", "--expires-in-days", "30", "--json").document["key"] == "sk_4"
    assert kept_key() == "sk_4"
    assert bunbase("keys", "rotate", "key_4", "--json").document["key"] == "sk_5"
    assert kept_key() == "sk_5"
    assert bunbase("keys", "revoke", "key_5", "--json").document == {"id": "key_5", "revoked": True}
    assert kept_key() is None


def test_rotate_data_waits_for_the_end_of_the_rotation(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LOOK_SECONDS", 0.01)

    done = bunbase("keys", "rotate-data", "--json")
    in_project.rotation_failed = "disk_full"
    failed = bunbase("keys", "rotate-data", "--json")

    assert (done.code, done.document["since"]) == (0, "2026-11-23T12:00:00.000Z")
    assert (failed.code, failed.problem["code"]) == (1, "disk_full")


def test_keys_are_listed_without_their_values(in_project: FakeApi, bunbase: Bunbase) -> None:
    listed = bunbase("keys", "list", "--json").document

    assert [key["id"] for key in listed["items"]] == ["key_1", "key_2"]
    assert all("key" not in key for key in listed["items"])
    assert "key_2" in bunbase("keys", "list").out


@pytest.mark.parametrize(
    ("words", "input", "value"),
    [
        (["GREETING=Hi=there"], "", "Hi=there"),
        (["GREETING="], "", ""),
        (["GREETING"], "two\nlines\n", "two\nlines"),
    ],
)
def test_a_variable_is_set_from_the_command_line_or_stdin(
    in_project: FakeApi, words: list[str], input: str, value: str
) -> None:
    said = executable("env", "set", *words, "--json", input=input)

    assert said.document["items"][0]["name"] == "GREETING"
    assert in_project.variables == {"GREETING": value}


def test_several_variables_are_set_at_once_also_from_a_file(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    (home / ".env").write_text("# secrets\nA=file\nTOKEN='a b'\n")

    said = bunbase("env", "set", "--file", ".env", "A=1", "B=2=3", "--hidden", "--json")

    assert [one["name"] for one in said.document["items"]] == ["A", "TOKEN", "B"]
    assert in_project.variables == {"A": "1", "TOKEN": "a b", "B": "2=3"}
    assert set(in_project.exposed.values()) == {False}


@pytest.mark.parametrize("words", [["A=1", "b=2"], ["A=1", "=2"], ["A=1", "B", "C"], [], ["A=1", "--file", "none"]])
def test_no_variable_is_set_if_one_of_them_is_wrong(in_project: FakeApi, words: list[str]) -> None:
    said = executable("env", "set", *words, input="value")

    assert said.code == 2
    assert "value" not in said.err.replace("NAME=VALUE", "").replace("asked for the value", "").replace("one value", "")
    assert in_project.variables == {}


def test_a_variable_is_hidden_only_with_the_flag(in_project: FakeApi, bunbase: Bunbase) -> None:
    bunbase("env", "set", "A=1")
    bunbase("env", "set", "B=1", "--hidden")
    bunbase("env", "set", "C=1", "--exposed")

    assert in_project.exposed == {"A": None, "B": False, "C": True}


def test_a_list_of_variables_shows_which_are_hidden(in_project: FakeApi, bunbase: Bunbase) -> None:
    bunbase("env", "set", "A=1")
    bunbase("env", "set", "B=1", "--hidden")

    for words in ([], ["--reveal"]):
        rows = [line.split() for line in bunbase("env", "list", *words).out.splitlines()]
        assert {row[0]: "(hidden)" in row for row in rows if row and row[0] in "AB"} == {"A": False, "B": True}


def test_an_empty_stdin_is_refused_as_the_value_of_a_variable(in_project: FakeApi) -> None:
    said = executable("env", "set", "TOKEN", "--json", input="")

    assert said.code == 2
    assert "TOKEN=" in said.err
    assert in_project.variables == {}


def test_values_of_variables_are_shown_only_with_reveal(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.variables["TOKEN"] = "hush"

    assert "hush" not in bunbase("env", "list").out
    assert "value" not in bunbase("env", "list", "--json").document["items"][0]
    assert "hush" in bunbase("env", "list", "--reveal").out
    assert bunbase("env", "list", "--reveal", "--json").document["items"][0]["value"] == "hush"


def test_unsetting_a_missing_variable_fails(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.variables["TOKEN"] = "hush"

    assert bunbase("env", "unset", "TOKEN", "--json").document == {"name": "TOKEN", "unset": True}
    assert bunbase("env", "unset", "TOKEN").code == 1


def test_a_change_names_the_project_that_a_file_or_an_earlier_command_chose(
    in_project: FakeApi, bunbase: Bunbase
) -> None:
    chosen = bunbase("env", "set", "A=1").err
    named = bunbase("env", "set", "A=1", "--project", "guestbook").err
    read = bunbase("env", "list").err
    machine = bunbase("env", "set", "A=1", "--json").err
    Path("bunbase.toml").write_text('[project]\nslug = "guestbook"\n')
    in_file = bunbase("env", "set", "A=1").err

    assert "in the project guestbook, from the last `bunbase projects use`" in chosen
    assert chosen.index("in the project") < chosen.index("A is set.")
    assert f"in the project guestbook, from {Path('bunbase.toml').absolute()}" in in_file
    assert "in the project" not in named + read + machine


def test_whoami_shows_the_project_that_commands_use(in_project: FakeApi, bunbase: Bunbase) -> None:
    Path("bunbase.toml").write_text('[project]\nslug = "elsewhere"\n')

    assert bunbase("whoami", "--json").document["project"] == "elsewhere"
