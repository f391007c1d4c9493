from __future__ import annotations

import io

import pytest

from tests.cli.conftest import Bunbase, executable
from tests.cli.fake_api import FakeApi


def test_an_administrator_removes_the_factors_of_an_account(signed_in: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("admin", "reset-factors", "usr_bob", "--yes")

    assert (said.code, signed_in.without_factors) == (0, ["usr_bob"])
    assert "bob@example.com has no factors any more" in said.err


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("suspend", "usr_bob"), "This suspends bob@example.com"),
        (("role", "usr_bob", "admin"), "This makes bob@example.com an administrator of the installation"),
        (("reset-factors", "usr_bob"), "the passkeys of bob@example.com"),
    ],
)
def test_an_act_on_the_account_of_another_person_names_the_person_and_asks_first(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], asked: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())

    said = bunbase("admin", *words)

    assert (said.code, signed_in.suspended, signed_in.without_factors) == (2, [], [])
    assert asked in said.err
    assert "To confirm without a terminal: --yes" in said.err


def test_an_administrator_names_an_account_by_its_email_address(signed_in: FakeApi, bunbase: Bunbase) -> None:
    unconfirmed = executable("admin", "suspend", "bob@example.com")
    suspended = bunbase("admin", "suspend", "Bob@example.com", "--yes")
    reset = bunbase("admin", "reset-factors", "bob@example.com", "--yes")
    unknown = bunbase("admin", "role", "bob@example", "admin")

    assert (unconfirmed.code, suspended.code, reset.code, unknown.code) == (2, 0, 0, 1)
    assert "its sessions and personal tokens stop working" in unconfirmed.err
    assert (signed_in.suspended, signed_in.without_factors) == (["usr_bob"], ["usr_bob"])
    assert "bunbase admin accounts" in unknown.err


def test_an_administrator_invites_people_with_and_without_an_address_and_withdraws_an_invitation(
    signed_in: FakeApi, bunbase: Bunbase
) -> None:
    shown = bunbase("admin", "invites", "create", "bob@example.com", "--role", "admin")
    for_anybody = bunbase("admin", "invites", "create", "--json").document
    listed = bunbase("admin", "invites", "list", "--json").document["items"]
    withdrawn = bunbase("admin", "invites", "delete", "ain_1")

    assert "/account/invite?token=biv_1" in shown.out
    assert (for_anybody["email"], for_anybody["role"]) == (None, "user")
    assert [(one["id"], one["email"]) for one in listed] == [("ain_1", "bob@example.com"), ("ain_2", None)]
    assert (withdrawn.code, [one.id for one in signed_in.account_invites]) == (0, ["ain_2"])
