"""`bunbase register --invite` and `bunbase invites accept` of people who have no account yet."""

from __future__ import annotations

import pytest

from bunbase.contracts.caller import Role
from bunbase.contracts.platform import Invite
from tests.cli.conftest import Bunbase, executable, kept
from tests.cli.fake_api import NOW, PASSWORD, FakeApi

BOB = "bob@example.com"


@pytest.fixture
def invited(in_project: FakeApi, bunbase: Bunbase) -> FakeApi:
    """Return a server with an open invitation, on a machine where nobody is signed in."""
    in_project.invites["1"] = "/api/projects/prj_1", Invite("1", BOB, Role.VIEWER, NOW, NOW)
    bunbase("logout")
    return in_project


def test_the_link_of_the_mail_opens_an_account_signs_it_in_and_says_what_it_has(invited: FakeApi) -> None:
    link = f"{invited.url}/invite?token=binm_1"

    said = executable("register", "--invite", link, "--name", "Bob", "--password-stdin", input=PASSWORD)

    assert said.code == 0, said.err
    assert f"Signed in to {invited.url} as {BOB}" in said.err
    assert "You are a member of Guestbook (guestbook) now. Your role: viewer." in said.err
    assert "Next: bunbase projects use guestbook" in said.err
    assert invited.invited_as == ("Bob", PASSWORD)
    assert kept().server(invited.url).email == BOB


def test_a_script_gets_one_document_with_the_account_and_its_new_place(invited: FakeApi) -> None:
    said = executable("register", "--invite", "binm_1", "--password-stdin", "--json", input=PASSWORD).document

    assert (said["user"]["email"], said["joined"]["role"], said["joined"]["project"]["slug"]) == (
        BOB,
        "viewer",
        "guestbook",
    )


def test_a_link_that_was_passed_on_asks_for_no_password_and_tells_of_the_mail(
    invited: FakeApi, bunbase: Bunbase
) -> None:
    said = bunbase("register", "--invite", f"{invited.url}/invite?token=binv_1")

    assert said.code == 0
    assert "A mail is on its way to the invited address" in said.err


def test_an_address_with_an_account_is_sent_to_the_sign_in(invited: FakeApi) -> None:
    invited.taken = True

    said = executable("register", "--invite", "binm_1", "--password-stdin", "--json", input=PASSWORD)

    assert said.problem["code"] == "email_taken"
    assert f"bunbase login --url {invited.url}" in said.problem["detail"]
    assert "bunbase invites accept 'binm_1'" in said.problem["detail"]


@pytest.mark.parametrize("invite", ["binm_2", "bix_2"])
def test_a_link_that_is_used_or_unknown_is_refused_before_a_password_is_asked(
    invited: FakeApi, bunbase: Bunbase, invite: str
) -> None:
    said = bunbase("register", "--invite", invite, "--json")

    assert (said.code, said.problem["code"]) == (1, "link_expired")
    assert f"{invited.url} has no such invitation" in said.problem["detail"]
    assert "--url" in said.problem["detail"]


@pytest.mark.parametrize(
    ("signups", "first", "code", "advice"),
    [
        ("invite", False, "signups_closed", "bunbase register --invite '<link>'"),
        ("closed", False, "signups_closed", "bunauth.signups"),
        ("open", True, "setup_token_required", "--setup-token"),
    ],
)
def test_register_asks_for_nothing_where_no_answer_could_open_an_account(
    api: FakeApi, bunbase: Bunbase, signups: str, first: bool, code: str, advice: str
) -> None:
    api.signups, api.in_production, api.setup_complete = signups, True, not first

    said = bunbase("register", "--json")

    assert (said.code, said.problem["code"]) == (1, code)
    assert advice in said.problem["detail"]


@pytest.mark.parametrize("token", ["binm_1", "binv_1"])
def test_without_a_sign_in_accept_says_how_to_open_an_account(invited: FakeApi, bunbase: Bunbase, token: str) -> None:
    said = bunbase("invites", "accept", token, "--json")

    assert (said.code, said.problem["code"]) == (3, "not_signed_in")
    assert f"bunbase register --invite '{token}'" in said.problem["detail"]
    assert "1" in invited.invites
