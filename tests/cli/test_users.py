"""`bunbase users`."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bunbase.cli.outage import Outage
from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi


def given(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_users_are_created_listed_found_by_address_and_changed(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(monkeypatch, "a long password\n")
    made = bunbase("users", "create", "eve@example.com", "--role", "editor", "--password-stdin", "--json").document
    for name in ("ada", "bob"):
        assert bunbase("users", "create", f"{name}@example.com", "--verified").code == 0

    listed = bunbase("users", "list", "--json").document["items"]
    first = bunbase("users", "list", "--limit", "1", "--json").document["items"]
    shown = bunbase("users", "get", "eve@example.com").out
    given(monkeypatch, "another password")
    changed = bunbase("users", "update", "eve@example.com", "--verified", "--password-stdin", "--json").document

    assert (made["role"], made["email_verified"], made["has_password"]) == ("editor", False, True)
    assert ([user["email"][:3] for user in listed], len(first)) == (["eve", "ada", "bob"], 1)
    assert made["id"] in shown
    assert "not verified" in shown
    assert changed["email_verified"]
    assert in_project.changes == [{"email_verified": True, "password": "another password"}]
    assert bunbase("users", "update", "eve@example.com").code == 2


def test_the_activity_of_one_user_or_of_all_is_listed_and_followed(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in (1, 2):
        in_project.add_user(f"usr_{n}", f"u{n}@example.com")

    def newcomer(_seconds: float) -> None:
        if "usr_3" in in_project.users:
            raise KeyboardInterrupt
        in_project.add_user("usr_3", "u3@example.com")

    monkeypatch.setattr("bunbase.cli.followed_log.Outage", partial(Outage, pause=newcomer))

    of_all = bunbase("users", "activity", "--json").document["items"]
    of_one = bunbase("users", "activity", "u2@example.com")
    followed = bunbase("users", "activity", "--follow")

    assert [one["user"] for one in of_all] == ["usr_1", "usr_2"]
    assert ("user.sign_in" in of_one.out, "usr_2" in of_one.out, "usr_1" in of_one.out) == (True, True, False)
    assert [line.split()[-1] for line in followed.out.splitlines()] == ["usr_2", "usr_1", "usr_3"]


def test_a_user_with_a_phone_number_is_created_found_and_changed(in_project: FakeApi, bunbase: Bunbase) -> None:
    made = bunbase("users", "create", "--phone", "+4917612345678", "--name", "Eve", "--json").document
    words = ("users", "update", "+4917612345678", "--claims", '{"team": "one"}', "--data", "{}", "--phone", "")
    found = bunbase("users", "get", "+4917612345678").out
    changed = bunbase(*words)

    assert (made["phone"], made["name"]) == ("+4917612345678", "Eve")
    assert made["id"] in found
    assert (changed.code, in_project.changes) == (0, [{"phone": None, "claims": {"team": "one"}, "data": {}}])
    assert bunbase("users", "create").code == 2
    assert bunbase("users", "update", made["id"], "--claims", "one").code == 2


def test_an_invitation_shows_its_link_once(in_project: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("users", "invite", "fred@example.com", "--role", "editor", "--language", "de")

    assert said.code == 0
    assert "token=umt_1" in said.out.replace("\n", "")
    assert "will not be shown again" in said.err


def test_a_link_and_a_token_in_a_users_place_are_shown_once(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.add_user("usr_1", "eve@example.com")
    link = bunbase("users", "link", "eve@example.com", "password-reset")
    token = bunbase("users", "impersonate", "usr_1", "--reason", "ticket 4711")

    assert "password_reset?token=umt_2" in link.out.replace("\n", "")
    assert "will not be shown again" in link.err
    assert "eyJ.for.eve" in token.out
    assert bunbase("users", "impersonate", "usr_1", "--json").document["impersonated_by"] == "usr_ada"


def test_open_invitations_are_listed_and_withdrawn(in_project: FakeApi, bunbase: Bunbase) -> None:
    for name in ("ada", "fred"):
        assert bunbase("users", "invite", f"{name}@example.com").code == 0

    listed = bunbase("users", "invites", "list", "--json").document["items"]
    assert bunbase("users", "invites", "withdraw", listed[0]["id"]).code == 0
    again = bunbase("users", "invites", "withdraw", listed[0]["id"], "--json")
    left = bunbase("users", "invites", "list")

    assert [one["email"] for one in listed] == ["ada@example.com", "fred@example.com"]
    assert again.problem["code"] == "user_invite_not_found"
    assert "fred@example.com" in left.out
    assert "ada@example.com" not in left.out


def test_a_ban_ends_at_a_time_or_after_a_duration(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.add_user("usr_1", "eve@example.com")

    dated = bunbase("users", "ban", "eve@example.com", "--until", "2127-01-31T12:00:00Z")
    assert bunbase("users", "ban", "usr_1", "--for", "7d").code == 0
    wrong = [("--for", "7d", "--until", "2127-01-31"), ("--for", "soon"), ("--until", "7d")]

    assert "banned until 2127-01-31T12:00:00.000Z" in dated.out
    until = datetime.fromisoformat(in_project.changes[-1]["banned_until"])
    assert timedelta(days=6, hours=23) < until - datetime.now(UTC) < timedelta(days=7, minutes=1)
    assert [bunbase("users", "ban", "usr_1", *flags).code for flags in wrong] == [2, 2, 2]
    assert len(in_project.changes) == 2


def test_a_user_is_banned_signed_out_and_deleted(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.add_user("usr_1", "eve@example.com")
    in_project.sessions.add("at_usr_1")

    banned = bunbase("users", "ban", "eve@example.com", "--json").document["banned"]
    of_banned = [bunbase("users", "list", flag, "--json").document["items"] for flag in ("--banned", "--no-banned")]
    unbanned = bunbase("users", "unban", "usr_1", "--json").document["banned"]
    out = bunbase("users", "sign-out", "usr_1", "--json").document
    kept = bunbase("users", "delete", "usr_1")
    deleted = bunbase("users", "delete", "eve@example.com", "--yes", "--json").document

    assert (banned, unbanned, [len(found) for found in of_banned]) == (True, False, [1, 0])
    assert (out, in_project.sessions) == ({"id": "usr_1", "signed_out": True}, set())
    assert kept.code == 2
    assert (deleted, in_project.users) == ({"id": "usr_1", "deleted": True}, {})
    assert bunbase("users", "get", "usr_1", "--json").problem["code"] == "user_not_found"
    assert bunbase("users", "get", "eve@example.com", "--json").problem["code"] == "user_not_found"


def test_many_users_of_a_file_are_deleted_after_their_number_was_confirmed(
    in_project: FakeApi, bunbase: Bunbase, tmp_path: Path
) -> None:
    in_project.add_user("usr_1", "eve@example.com")
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(["usr_1", "", "usr_1 ", *(f"usr_x{n}" for n in range(1500))]))

    asked = bunbase("users", "delete", "--ids-from", str(file))
    done = bunbase("users", "delete", "--ids-from", str(file), "--yes")
    banned = bunbase("users", "ban", "--ids-from", str(file), "--yes", "--json").document
    wrong = [bunbase("users", "ban", *given).code for given in ((), ("usr_1", "--ids-from", str(file)))]
    missing = bunbase("users", "ban", "--ids-from", str(tmp_path / "none"))

    assert (asked.code, "deletes 1,501 users" in asked.err) == (2, True)
    assert in_project.bulk == [("delete", 1000), ("delete", 501), ("ban", 1000), ("ban", 501)]
    assert "Done: 1 user. Not found: 1500." in done.err
    assert (banned["done"], len(banned["failed"]), wrong, missing.code) == (1, 1500, [2, 2], 2)
