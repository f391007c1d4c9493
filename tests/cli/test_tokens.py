"""`bunbase tokens`, `bunbase service-accounts`, `bunbase oauth-clients`, and the limits of `bunbase keys`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.cli.conftest import Bunbase, kept
from tests.cli.fake_api import EMAIL, FakeApi


def test_a_personal_token_is_made_for_projects_by_slug_and_deleted(in_project: FakeApi, bunbase: Bunbase) -> None:
    slug = next(iter(in_project.projects.values())).slug

    made = bunbase("tokens", "create", "ci", "--scope", "functions:deploy", "--scope", "logs:read", "--project", slug)
    default = bunbase("tokens", "create", "laptop", "--json").document
    listed = bunbase("tokens", "list")
    deleted = bunbase("tokens", "delete", "tok_1", "--json").document

    assert "bpt_1" in made.out
    assert default["scopes"] == ["read", "write"]
    assert "functions:deploy logs:read" in listed.out
    assert "prj_1" in listed.out
    assert deleted == {"id": "tok_1", "deleted": True}
    assert [one["name"] for one in bunbase("tokens", "list", "--json").document["items"]] == ["laptop"]


def test_a_service_account_has_a_secret_or_a_public_key(in_project: FakeApi, bunbase: Bunbase, home: Path) -> None:
    (home / "key.pem").write_text("the public key")

    secret = bunbase("service-accounts", "create", "report", "--scope", "data:read")
    key = bunbase(
        "service-accounts", "create", "robot", "--scope", "data:read", "--public-key", "key.pem", "--json"
    ).document
    listed = bunbase("service-accounts", "list").out
    missing = bunbase("service-accounts", "create", "robot", "--scope", "data:read", "--public-key", "none.pem")

    assert "scs_1" in secret.out
    assert key["public_key"] == {"pem": "the public key"}
    assert "report" in listed
    assert missing.code != 0
    assert bunbase("service-accounts", "delete", "sa_1").code == 0
    assert [one["name"] for one in bunbase("service-accounts", "list", "--json").document["items"]] == ["robot"]


def test_a_credential_for_s3_shows_its_secret_once(in_project: FakeApi, bunbase: Bunbase) -> None:
    made = bunbase("storage", "credentials", "create", "sync", "--read-only", "--bucket", "photos")
    listed = bunbase("storage", "credentials", "list").out
    deleted = bunbase("storage", "credentials", "delete", "BBAK1", "--json").document

    assert "secret_1" in made.out
    assert "photos" in listed
    assert "secret_1" not in listed
    assert deleted == {"access_key_id": "BBAK1", "deleted": True}
    assert in_project.s3_credentials == []


def test_an_application_is_registered_gets_a_new_secret_and_is_deleted(in_project: FakeApi, bunbase: Bunbase) -> None:
    uris = ("https://shop.example/callback", "https://shop.example/test")

    shop = bunbase("oauth-clients", "create", "Shop", *uris, "--confidential")
    page = bunbase("oauth-clients", "create", "Page", uris[0], "--first-party", "--json").document
    listed = bunbase("oauth-clients", "list").out
    rotated = bunbase("oauth-clients", "rotate", "oac_1", "--yes").out
    deleted = bunbase("oauth-clients", "delete", "oac_1", "--yes", "--json").document

    assert "ocs_1" in shop.out
    assert in_project.url in shop.out
    assert bunbase("oauth-clients", "delete", "oac_1").code == bunbase("oauth-clients", "rotate", "oac_1").code == 2
    assert (page["kind"], page["first_party"], "client_secret" in page) == ("public", True, False)
    assert in_project.oauth_clients[0].name == "Page"
    assert " ".join(uris)[:20] in listed
    assert "ocs_2" in rotated
    assert deleted == {"id": "oac_1", "deleted": True}


def test_the_limits_of_a_key_are_changed_and_listed(in_project: FakeApi, bunbase: Bunbase) -> None:
    id = bunbase("keys", "create", "--name", "report", "--json").document["id"]

    changed = bunbase("keys", "update", id, "--scope", "data:read", "--allow-browser", "--json").document

    assert (changed["scopes"], changed["allow_browser"]) == (["data:read"], True)
    assert "data:read, browsers" in bunbase("keys", "list").out


def test_a_token_is_read_from_stdin(signed_in: FakeApi, monkeypatch: pytest.MonkeyPatch, bunbase: Bunbase) -> None:
    token = signed_in.sign_in(EMAIL).access_token
    for text, code in ((f"{token}\n", 0), ("", 2)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert bunbase("login", "--token-stdin").code == code

    assert kept().server(signed_in.url).access_token == token
    assert bunbase("login", "--token-stdin", "--token", token).code == 2
