"""`bunbase auth` moves the settings for users between `[auth]` of bunbase.toml and the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi

FILE = """# my project
[auth]
app_name = "Bakery"  # shown in mails
redirect_urls = ["https://bakery.example.com"]

[auth.tokens]
access_ttl_seconds = 600

[auth.mail]
from = "The bakery"

[auth.mail.templates.verify_email]
subject = "Welcome to $app"

[auth.providers.google]
kind = "google"
client_id = "1234"
client_secret = { env = "GOOGLE_SECRET" }

[functions.hello]
access = "public"
"""


@pytest.fixture
def file(in_project: FakeApi, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOOGLE_SECRET", "only-google-knows")
    path = home / "bunbase.toml"
    path.write_text(FILE)
    return path


def test_a_push_sets_what_the_file_names_and_a_second_push_changes_nothing(
    file: Path, in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_project.auth_json = {"verify_emails": True}

    before = bunbase("auth", "diff")
    pushes = [bunbase("auth", "push", "--json").document for _ in range(2)]
    after = bunbase("auth", "diff", "--json")

    assert before.code == 5
    assert "access_ttl_seconds" in before.out
    assert pushes == [{"changed": True, "version": 1}, {"changed": False, "version": 1}]
    assert after.document == {"items": []}
    monkeypatch.delenv("GOOGLE_SECRET")
    file.write_text(FILE.replace("600", "900"))
    assert bunbase("auth", "push", "--json").document == {"changed": True, "version": 2}, "the stored secret stays"
    file.write_text(FILE.replace('kind = "google"', 'kind = "oidc"\nissuer = "https://login.bakery.example"'))
    assert "GOOGLE_SECRET" in bunbase("auth", "push").err, "another service has another secret"
    stored = in_project.auth.settings
    assert (stored.app_name, stored.verify_emails, stored.tokens.access_ttl_seconds) == ("Bakery", True, 900)
    assert in_project.auth.sealed == {"providers.google": "only-google-knows"}
    assert "only-google-knows" not in bunbase("auth", "show").out + bunbase("auth", "show", "--json").out


def test_a_pull_writes_what_differs_from_the_defaults_and_keeps_the_rest_of_the_file(
    file: Path, in_project: FakeApi, bunbase: Bunbase
) -> None:
    assert bunbase("auth", "push").code == 0
    file.write_text('# my project\n[functions.hello]\naccess = "public"  # for all\n')

    first = bunbase("auth", "pull", "--json").document["auth"]
    text = file.read_text()
    file.write_text(text.replace("AUTH_PROVIDERS_GOOGLE_SECRET", "GOOGLE_SECRET"))
    again = bunbase("auth", "pull", "--json").document["auth"]

    assert first["tokens"] == {"access_ttl_seconds": 600}
    assert first["mail"] == {"from": "The bakery", "templates": {"verify_email": {"subject": "Welcome to $app"}}}
    assert first["providers"]["google"]["client_secret"] == {"env": "AUTH_PROVIDERS_GOOGLE_SECRET"}
    assert again["providers"]["google"]["client_secret"] == {"env": "GOOGLE_SECRET"}
    assert set(first) == {"app_name", "redirect_urls", "tokens", "mail", "providers"}
    assert text.startswith('# my project\n[functions.hello]\naccess = "public"  # for all\n')
    assert bunbase("auth", "push", "--json").document["changed"] is False
    assert "client_secret = {env = " in text


NAMED = """
[auth.deletion.collections]
members = "uid"

[auth.mail.languages.de.verify_email]
subject = "Willkommen bei $app"

[auth.mail.languages.fr.password_reset]

[auth.providers.apple]
client_id = "com.example.app"

[auth.providers.apple.options]
key_id = "K1"
team_id = "T1"
"""


def test_tables_with_names_that_a_project_chooses_travel_there_and_back(
    in_project: FakeApi, home: Path, bunbase: Bunbase
) -> None:
    file = home / "bunbase.toml"
    file.write_text(NAMED)

    assert bunbase("auth", "push", "--json").document["changed"] is True
    stored = in_project.auth.settings
    pulled = bunbase("auth", "pull", "--json").document["auth"]

    assert stored.deletion.collections == {"members": "uid"}
    assert stored.mail.languages["de"]["verify_email"].subject == "Willkommen bei $app"
    assert pulled["deletion"] == {"collections": {"members": "uid"}}
    assert pulled["mail"]["languages"]["de"] == {"verify_email": {"subject": "Willkommen bei $app"}}
    assert pulled["providers"]["apple"]["options"] == {"key_id": "K1", "team_id": "T1"}
    assert bunbase("auth", "diff", "--json").document == {"items": []}, "the file that was pulled is in force"
    assert bunbase("auth", "push", "--json").document["changed"] is False


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[auth]\nsignup = "open"', "Did you mean signups?"),
        ("[auth.tokens]\nacces_ttl_seconds = 60", "Did you mean access_ttl_seconds?"),
        ('[auth.providers.google]\nclientid = "x"', "Did you mean client_id?"),
        ('[auth.providers.google]\nclient_secret = "in the file"', "often committed"),
        ('[auth.captcha]\nsecret = { env = "NOT_SET" }', "NOT_SET"),
        ("", "bunbase auth pull"),
        ('auth = "open"', "must be a table"),
        ('[auth]\nsignups = "opn"', "signups: This must be one of: open, invite, closed"),
        ("[auth.password]\nmin_length = 1", "password.min_length: "),
        ("[auth.deletion.collection]\nmembers = 'uid'", "Did you mean collections?"),
        ("[auth.mail.languages.de.verify_email]\nsubjekt = 'x'", "Did you mean subject?"),
    ],
)
def test_a_mistake_in_the_file_is_named_and_nothing_is_sent(
    in_project: FakeApi, home: Path, bunbase: Bunbase, table: str, words: str
) -> None:
    (home / "bunbase.toml").write_text(table)

    said = bunbase("auth", "push")

    assert said.code == 2
    assert words in said.err.replace("\n", " ")
    assert in_project.auth.version == 0


def test_a_setting_without_a_meaning_is_refused_by_the_server(
    in_project: FakeApi, home: Path, bunbase: Bunbase
) -> None:
    (home / "bunbase.toml").write_text('[auth]\nredirect_urls = ["http://elsewhere.example"]')

    said = bunbase("auth", "push", "--json")

    assert said.problem["code"] == "invalid_input"
    assert said.problem["errors"][0]["path"] == "/redirect_urls/0"


def test_a_rotation_publishes_the_next_key_and_one_at_once_says_what_it_ends(
    in_project: FakeApi, bunbase: Bunbase
) -> None:
    assert bunbase("auth", "rotate-key", "--json").document == {"kids": ["new"], "ended": []}
    now = bunbase("auth", "rotate-key", "--now", "--yes")
    assert now.code == 0
    assert "ends all access tokens" in now.err
    assert bunbase("auth", "rotate-key", "--now", "--yes", "--json").document["ended"] == ["old"]
