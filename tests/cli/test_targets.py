"""A command finds its server, project and sign-in in this order: flag, environment, target, file, default."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bunbase.cli.credentials import ChosenProject, Credentials, KnownServer, credentials_file
from bunbase.cli.flags import ProjectFlags
from bunbase.cli.targets import where
from tests.cli.conftest import Bunbase
from tests.cli.fake_api import PASSWORD, FakeApi
from tests.cli.test_functions import write

FILE = """\
[project]
slug = "usual"

[target.staging]
server = "https://staging.example"
project = "shop-staging"

[target.elsewhere]
server = "https://elsewhere.example"

[target.other]
project = "other"
profile = "work"
"""


def remember(url: str, project: str = "") -> None:
    with credentials_file().changing() as known:
        known.current = url
        if project:
            known.server(url).project = ChosenProject(project, project)


def chosen(said: str) -> dict[str, tuple[str | None, str]]:
    return {one["setting"]: (one["value"], one["from"]) for one in msgspec.json.decode(said)["items"]}


def test_the_server_comes_from_the_first_source_that_names_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "bunbase.toml", FILE)
    found = [where(ProjectFlags())]
    monkeypatch.setenv("BUNBASE_PORT", "7190")
    found.append(where(ProjectFlags()))
    remember("http://last.example")
    found.append(where(ProjectFlags()))
    found.append(where(ProjectFlags(target="staging")))
    monkeypatch.setenv("BUNBASE_URL", "http://environment.example")
    found.append(where(ProjectFlags(target="staging")))
    found.append(where(ProjectFlags(target="staging", url="http://flag.example")))

    assert [(one.server.value, one.server.origin.split("]")[0]) for one in found] == [
        ("http://127.0.0.1:7070", "the default"),
        ("http://127.0.0.1:7190", "BUNBASE_PORT"),
        ("http://last.example", "the last sign-in"),
        ("https://staging.example", "[target.staging"),
        ("http://environment.example", "BUNBASE_URL"),
        ("http://flag.example", "--url"),
    ]


def test_whoami_shows_each_choice_and_where_it_comes_from_without_a_request(
    home: Path, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "bunbase.toml", FILE)
    remember("https://elsewhere.example", "last")

    usual = chosen(bunbase("whoami", "--where", "--json").out)
    staging = chosen(bunbase("whoami", "--where", "--target", "staging", "--json").out)
    elsewhere = chosen(bunbase("whoami", "--where", "--target", "elsewhere", "--json").out)
    monkeypatch.setenv("BUNBASE_TARGET", "other")
    monkeypatch.setenv("BUNBASE_PROJECT", "environment")
    other = chosen(bunbase("whoami", "--where", "--json").out)
    flag = chosen(bunbase("whoami", "--where", "--project", "flag", "--json").out)

    assert usual["project"][0] == "usual"
    assert usual["project"][1].endswith("bunbase.toml")
    assert staging["project"][0] == "shop-staging"
    assert staging["target"] == ("staging", "--target")
    assert elsewhere["project"] == ("last", "the last `bunbase projects use` or `create`")
    assert other["project"] == ("environment", "BUNBASE_PROJECT")
    assert other["target"] == ("other", "BUNBASE_TARGET")
    assert other["profile"][0] == "work"
    assert flag["project"] == ("flag", "--project")
    assert "BUNBASE_PROJECT" in bunbase("whoami", "--where").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--target", "stagin"], "Did you mean staging?"),
        (["--profile", "a b"], "no name of a profile"),
    ],
)
def test_a_target_or_profile_that_does_not_exist_is_named(
    home: Path, bunbase: Bunbase, words: list[str], told: str
) -> None:
    write(home / "bunbase.toml", FILE)

    said = bunbase("whoami", "--where", *words)

    assert said.code == 2
    assert told in said.err


def test_where_names_a_profile_without_a_sign_in(home: Path, bunbase: Bunbase) -> None:
    with credentials_file("work").changing() as known:
        known.current = "http://work.example"

    assert "no sign-in with the profile wrok" in bunbase("whoami", "--where", "--profile", "wrok").err
    assert bunbase("whoami", "--where", "--profile", "work").err == ""


def test_a_profile_is_a_sign_in_of_its_own(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNBASE_PASSWORD", PASSWORD)
    usual = credentials_file().read().server(signed_in.url).access_token

    missing = bunbase("projects", "list", "--profile", "work")
    made = bunbase("login", "--profile", "work", "--email", "bob@example.com")
    work = credentials_file("work").read().server(signed_in.url)
    left = bunbase("logout", "--profile", "work")

    assert missing.code == 3
    assert "--profile work" in missing.err
    assert "with the profile work" in left.err
    assert made.code == 0
    assert work.access_token != usual
    assert credentials_file().read().server(signed_in.url).access_token == usual
    assert credentials_file("work").read().server(signed_in.url).access_token == ""
    assert credentials_file().path.stat().st_mode & 0o777 == 0o600


def test_a_profile_remembers_its_server(home: Path) -> None:
    remember("http://usual.example")
    with credentials_file("work").changing() as known:
        known.current = "http://work.example"

    assert where(ProjectFlags(profile="work")).server.value == "http://work.example"
    assert where(ProjectFlags()).server.value == "http://usual.example"


def test_a_credentials_file_of_an_earlier_version_is_read(home: Path) -> None:
    path = credentials_file().path
    write(path, '{"current":"http://a.example","servers":{"http://a.example":{"email":"ada@example.com"}}}')

    read = credentials_file().read()

    assert read == Credentials("http://a.example", {"http://a.example": KnownServer("ada@example.com")})


def test_a_project_that_is_chosen_for_a_target_is_written_to_its_table(
    in_project: FakeApi, bunbase: Bunbase, home: Path
) -> None:
    path = home / "bunbase.toml"
    write(path, '[project]\nslug = "usual"\n\n[target.here] # mine\nserver = "' + in_project.url + '"\n')

    said = bunbase("projects", "use", "guestbook", "--target", "here")

    assert said.code == 0, said.err
    assert '[project]\nslug = "usual"\n\n[target.here] # mine\n' in path.read_text()
    assert 'project = "guestbook"' in path.read_text()


def test_a_token_of_the_environment_goes_to_no_server_that_only_a_folder_names(
    signed_in: FakeApi, home: Path, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "bunbase.toml", f"[target.staging]\nserver = '{signed_in.url}'\n")
    token = credentials_file().read().server(signed_in.url).access_token
    monkeypatch.setenv("BUNBASE_TARGET", "staging")
    monkeypatch.delenv("BUNBASE_URL", raising=False)

    stored = bunbase("projects", "list")
    monkeypatch.setenv("BUNBASE_TOKEN", token)
    refused = bunbase("projects", "list")
    flag = bunbase("projects", "list", "--target", "staging")
    monkeypatch.setenv("BUNBASE_URL", signed_in.url)
    variable = bunbase("projects", "list")
    monkeypatch.delenv("BUNBASE_URL")
    monkeypatch.setenv("BUNBASE_PASSWORD", PASSWORD)
    login = bunbase("login", "--email", "bob@example.com")

    assert (stored.code, refused.code, flag.code, variable.code, login.code) == (0, 2, 0, 0, 2)
    assert "--target staging" in refused.err
    assert "--target staging" in login.err
