"""`bunbase members`, `bunbase invites` and `bunbase orgs`."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase.contracts.caller import Role
from tests.cli.conftest import Bunbase, executable
from tests.cli.fake_api import FakeApi

PROJECT, ORG = "/api/projects/prj_1", "/api/orgs/org_1"
GROUPS = [((), PROJECT), (("--org", "guild"), ORG)]


@pytest.fixture
def team(in_project: FakeApi, bunbase: Bunbase) -> FakeApi:
    """Return a server with a project and an organisation that both have Ada and Bob as members."""
    bunbase("orgs", "create", "Guild")
    for place in (PROJECT, ORG):
        in_project.members[place] = {"usr_ada": Role.OWNER, "usr_bob": Role.VIEWER}
    return in_project


@pytest.mark.parametrize(("flags", "place"), GROUPS)
def test_members_are_listed_and_changed_by_email_or_id(
    team: FakeApi, bunbase: Bunbase, flags: tuple[str, ...], place: str
) -> None:
    listed = bunbase("members", "list", *flags, "--json").document
    assert [(one["user"]["email"], one["role"]) for one in listed["items"]] == [
        ("ada@example.com", "owner"),
        ("bob@example.com", "viewer"),
    ]
    assert "bob@example.com" in bunbase("members", "list", *flags).out

    changed = bunbase("members", "change", "bob@example.com", "developer", *flags, "--json").document
    assert changed["role"] == "developer"
    assert bunbase("members", "change", "usr_bob", "admin", *flags).code == 0

    assert team.members[place]["usr_bob"] is Role.ADMIN


@pytest.mark.parametrize(("flags", "place"), GROUPS)
def test_members_are_removed_and_leave_after_a_confirmation(
    team: FakeApi, bunbase: Bunbase, flags: tuple[str, ...], place: str
) -> None:
    assert executable("members", "remove", "bob@example.com", *flags).code == 2
    assert executable("members", "leave", *flags).code == 2
    assert executable("members", "change", "bob@example.com", "owner", *flags).code == 2
    assert set(team.members[place]) == {"usr_ada", "usr_bob"}

    removed = bunbase("members", "remove", "bob@example.com", "--yes", *flags, "--json").document
    left = bunbase("members", "leave", "--yes", *flags, "--json").document

    assert (removed, left) == ({"id": "usr_bob", "removed": True}, {"id": "usr_ada", "removed": True})
    assert team.members[place] == {}


def test_an_unknown_member_is_refused_with_the_command_that_lists_members(team: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("members", "change", "nobody@example.com", "admin", "--json")

    assert (said.code, said.problem["code"]) == (1, "member_not_found")
    assert "bunbase members list" in said.problem["detail"]


def test_a_member_of_the_organisation_is_added_to_the_project(team: FakeApi, bunbase: Bunbase) -> None:
    assert bunbase("members", "add", "usr_eve", "developer", "--json").document["role"] == "developer"

    assert team.members[PROJECT]["usr_eve"] is Role.DEVELOPER


@pytest.mark.parametrize(("flags", "place"), GROUPS)
def test_an_invitation_is_created_listed_sent_again_and_accepted_with_its_link(
    team: FakeApi, bunbase: Bunbase, flags: tuple[str, ...], place: str
) -> None:
    made: Any = bunbase("invites", "create", "eve@example.com", "--role", "admin", *flags, "--json").document
    assert (made["email"], made["role"]) == ("eve@example.com", "admin")

    listed = bunbase("invites", "list", *flags, "--json").document["items"]
    assert [(one["id"], "url" in one) for one in listed] == [(made["id"], False)]
    assert "eve@example.com" in bunbase("invites", "list", *flags).out
    assert "token=binv_again" in bunbase("invites", "resend", made["id"], *flags).out

    accepted = bunbase("invites", "accept", made["url"], "--json").document
    assert accepted["role"] == "admin"
    assert accepted["project" if place == PROJECT else "org"]["name"] in ("Guestbook", "Guild")
    assert team.invites == {}


def test_the_link_of_an_invitation_is_shown_once_with_a_warning(team: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("invites", "create", "eve@example.com")

    assert f"{team.url}/invite?token=binv_ivt_1" in said.out
    assert "will not be shown again" in said.err
    assert "Next: bunbase projects use guestbook" in bunbase("invites", "accept", "binv_ivt_1").err


def test_an_invitation_is_withdrawn(team: FakeApi, bunbase: Bunbase) -> None:
    bunbase("invites", "create", "eve@example.com")

    assert bunbase("invites", "delete", "ivt_1", "--json").document == {"id": "ivt_1", "deleted": True}

    assert bunbase("invites", "accept", "binv_ivt_1", "--json").problem["code"] == "link_expired"


def test_organisations_are_created_listed_renamed_and_deleted(signed_in: FakeApi, bunbase: Bunbase) -> None:
    made = bunbase("orgs", "create", "Guild", "--json").document
    assert (made["slug"], made["role"]) == ("guild", "owner")
    assert "--org guild" in bunbase("orgs", "create", "Guild").err

    assert bunbase("orgs", "rename", "org_1", "Crew", "--json").document["name"] == "Crew"
    assert [one["name"] for one in bunbase("orgs", "list", "--json").document["items"]] == ["Crew", "Guild"]
    assert "Crew" in bunbase("orgs", "list").out
    assert executable("orgs", "delete", "org_1").code == 2
    assert bunbase("orgs", "delete", "org_1", "--yes", "--json").document == {
        "id": "org_1",
        "deleted": True,
    }

    assert set(signed_in.orgs) == {"org_2"}


def test_an_unknown_role_is_refused_with_the_roles_that_exist(team: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("invites", "create", "eve@example.com", "--role", "boss")

    assert said.code == 2
    assert "viewer" in said.err
