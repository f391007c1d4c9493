"""Organisations, in which people own projects together."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any

import pytest

from bunbase.contracts.caller import RANK, Caller, Role
from bunbase.contracts.platform import (
    ConfirmationNeeded,
    Organisation,
    OrganisationNotEmpty,
    OrganisationNotFound,
    PersonalOrganisation,
    ProjectNotFound,
)
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.modules import Site
from bunbase.platform.module import MODULE
from bunbase.platform.service import PlatformService
from bunbase.platform.settings import PlatformSettings
from tests.bunauth.feeds import feed_of
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA, ADA_ID, BOB, BOB_ID, EVE, entering, joined
from tests.rooms import opened


async def guild(platform: PlatformService, *members: tuple[Caller, Role]) -> Organisation:
    """Return Ada's organisation with more members."""
    org = await platform.create_org(ADA, "Bakers' Guild")
    for who, role in members:
        await joined(platform, ADA, who, role, org.id)
    return org


async def test_one_person_has_projects_without_naming_an_organisation(platform: PlatformService) -> None:
    first, second = [await platform.create_project(ADA, name) for name in ("Bakery", "Library")]

    (own,) = (await platform.orgs(ADA, 20, None)).items
    assert await platform.org(ADA, "personal") == own
    with pytest.raises(OrganisationNotFound):
        await platform.org(BOB, "personal")
    assert (own.name, own.role, own.personal) == ("Personal", Role.OWNER, True)
    assert first.org == second.org == own.id
    assert (await platform.project(await entering(platform, ADA, "bakery"))).org == own.id


async def test_first_projects_made_at_once_share_one_personal_organisation(platform: PlatformService) -> None:
    made = await asyncio.gather(*(platform.create_project(ADA, f"Project {number}") for number in range(6)))

    assert len({one.org for one in made}) == 1
    assert len((await platform.orgs(ADA, 20, None)).items) == 1


async def test_nobody_can_join_leave_or_delete_a_personal_organisation(platform: PlatformService) -> None:
    org = (await platform.create_project(ADA, "Bakery")).org

    for attempt in (
        platform.create_invite(ADA, org, "bob@example.com", Role.VIEWER),
        platform.change_member(ADA, org, ADA_ID, Role.VIEWER),
        platform.remove_member(ADA, org, ADA_ID),
        platform.delete_org(ADA, org, ""),
    ):
        with pytest.raises(PersonalOrganisation):
            await attempt
    assert [member.user.id for member in (await platform.members(ADA, org, 20, None)).items] == [ADA_ID]


async def test_a_member_of_an_organisation_has_the_role_in_all_its_projects(platform: PlatformService) -> None:
    org = await guild(platform, (BOB, Role.DEVELOPER))
    made = [await platform.create_project(ADA, name, org.slug) for name in ("Bakery", "Mill")]

    for one in made:
        assert (await platform.membership(BOB_ID, one.slug)).role is Role.DEVELOPER
    assert {one.id for one in (await platform.projects(BOB, 20, None)).items} == {one.id for one in made}


async def test_of_two_roles_in_a_project_the_stronger_one_counts(platform: PlatformService) -> None:
    for number, (in_org, in_project) in enumerate(itertools.product(Role, Role)):
        if Role.OWNER in (in_org, in_project):
            continue
        org = await platform.create_org(ADA, f"Guild {number}")
        await joined(platform, ADA, BOB, in_org, org.id)
        made = await platform.create_project(ADA, f"Bakery {number}", org.id)

        await platform.add_member(await entering(platform, ADA, made.id), BOB_ID, in_project)

        stronger = max(in_org, in_project, key=RANK.__getitem__)
        assert (await platform.membership(BOB_ID, made.id)).role is stronger
        listed = (await platform.projects(BOB, 20, None)).items
        assert listed[0].role is stronger


async def test_a_developer_of_an_organisation_owns_the_projects_they_create_there(platform: PlatformService) -> None:
    org = await guild(platform, (BOB, Role.DEVELOPER), (EVE, Role.VIEWER))

    made = await platform.create_project(BOB, "Bakery", org.id)

    assert made.role is (await platform.membership(BOB_ID, made.id)).role is Role.OWNER
    with pytest.raises(Forbidden):
        await platform.create_project(EVE, "Mill", org.id)


async def test_strangers_do_not_find_an_organisation(platform: PlatformService) -> None:
    org = await guild(platform)

    for ref in (org.id, org.slug, "nobody", "nul\0"):
        for attempt in (
            platform.org(BOB, ref),
            platform.rename_org(BOB, ref, "Mine"),
            platform.delete_org(BOB, ref, org.slug),
            platform.members(BOB, ref, 20, None),
            platform.invites(BOB, ref, 20, None),
            platform.create_invite(BOB, ref, "eve@example.com", Role.VIEWER),
            platform.remove_member(BOB, ref, ADA_ID),
            platform.create_project(BOB, "Bakery", ref),
        ):
            with pytest.raises(OrganisationNotFound):
                await attempt
    assert (await platform.orgs(BOB, 20, None)).items == ()


async def test_organisations_are_renamed_listed_in_pages_and_deleted(platform: PlatformService) -> None:
    made = [await platform.create_org(ADA, name) for name in ("One", "Two", "Personal", "org_x")]
    assert [one.slug for one in made] == ["one", "two", "organisation-personal", "organisation-org-x"]

    renamed = await platform.rename_org(ADA, "one", "First")
    await platform.delete_org(ADA, made[1].id, "two")

    first = await platform.orgs(ADA, 2, None)
    second = await platform.orgs(ADA, 2, first.next)
    assert [one.id for one in (*first.items, *second.items)] == [made[3].id, made[2].id, made[0].id]
    assert (renamed.slug, second.items[0].name, second.next) == ("one", "First", None)
    assert (await platform.create_org(ADA, "Two")).slug.startswith("two-")


ROLES_THAT_MAY = {
    "get": set(Role),
    "members": set(Role),
    "rename": {Role.OWNER, Role.ADMIN},
    "invite": {Role.OWNER, Role.ADMIN},
    "invites": {Role.OWNER, Role.ADMIN},
    "delete": {Role.OWNER},
}


def asking(platform: PlatformService, act: str, org: Organisation) -> Coroutine[Any, Any, object]:
    """Return the `Caller` object of a request by Bob to the organisation."""
    match act:
        case "get":
            return platform.org(BOB, org.id)
        case "members":
            return platform.members(BOB, org.id, 20, None)
        case "rename":
            return platform.rename_org(BOB, org.id, "New")
        case "invite":
            return platform.create_invite(BOB, org.id, "eve@example.com", Role.VIEWER)
        case "invites":
            return platform.invites(BOB, org.id, 20, None)
        case _:
            return platform.delete_org(BOB, org.id, org.slug)


async def test_each_role_in_an_organisation_may_do_exactly_what_the_table_allows(platform: PlatformService) -> None:
    for role in Role:
        org = await platform.create_org(ADA, f"Guild of a {role}")
        await joined(platform, ADA, BOB, role, org.id)
        for act, allowed in ROLES_THAT_MAY.items():
            doing = asking(platform, act, org)

            if role in allowed:
                await doing
            else:
                with pytest.raises(Forbidden):
                    await doing


async def test_an_organisation_with_projects_is_not_deleted(platform: PlatformService) -> None:
    org = await guild(platform)
    made = await platform.create_project(ADA, "Bakery", org.id)
    as_owner = await entering(platform, ADA, made.id)

    with pytest.raises(ConfirmationNeeded):
        await platform.delete_org(ADA, org.id, "")
    with pytest.raises(OrganisationNotEmpty):
        await platform.delete_org(ADA, org.id, org.slug)
    await platform.delete_project(as_owner, "bakery")
    with pytest.raises(OrganisationNotEmpty):  # The project can still be restored.
        await platform.delete_org(ADA, org.id, org.slug)
    await platform.delete_project(as_owner, "bakery", now=True)
    await platform.delete_org(ADA, org.id, org.slug)

    with pytest.raises(OrganisationNotFound):
        await platform.org(ADA, org.id)


async def test_a_project_is_never_created_in_an_organisation_that_is_deleted_at_the_same_moment(
    platform: PlatformService,
) -> None:
    orgs = [await platform.create_org(ADA, f"Guild {number}") for number in range(5)]

    answers = await asyncio.gather(
        *(platform.create_project(ADA, "Bakery", org.id) for org in orgs),
        *(platform.delete_org(ADA, org.id, org.slug) for org in orgs),
        return_exceptions=True,
    )

    for created, deleted in zip(answers[:5], answers[5:], strict=True):
        assert isinstance(created, OrganisationNotFound) != isinstance(deleted, OrganisationNotEmpty)


async def test_the_number_of_organisations_of_a_developer_has_a_limit(others: FakeRooms, here: Site) -> None:
    settings = PlatformSettings(max_organisations_per_developer=2)
    async with opened(MODULE, others.rooms(), here, settings=settings) as platform:
        made = await asyncio.gather(
            *(platform.create_org(ADA, f"Guild {number}") for number in range(5)), return_exceptions=True
        )

        assert sum(isinstance(one, InvalidInput) for one in made) == 3
        assert await platform.create_org(BOB, "Guild")


async def test_a_transferred_project_belongs_to_the_people_of_the_other_organisation(
    platform: PlatformService,
) -> None:
    old, new = await guild(platform, (BOB, Role.ADMIN)), await platform.create_org(EVE, "Millers")
    await joined(platform, EVE, ADA, Role.ADMIN, new.id)
    made = await platform.create_project(ADA, "Bakery", old.id)
    async with feed_of(platform) as feed:
        while (await feed.next()).kind is not RevokedKind.READY:
            pass

        moved = await platform.transfer_project(await entering(platform, ADA, made.id), new.slug)

        news = await feed.next()
    assert (news.kind, news.id) == (RevokedKind.MEMBERSHIP, f"{made.id}:")
    assert (moved.org, moved.role) == (new.id, Role.ADMIN)
    assert (await platform.membership("usr_eve", made.id)).role is Role.OWNER
    with pytest.raises(ProjectNotFound):
        await platform.membership(BOB_ID, made.id)


async def test_members_of_a_project_keep_their_role_when_it_is_transferred(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")
    await joined(platform, await entering(platform, ADA, made.id), BOB, Role.DEVELOPER)
    org = await guild(platform)

    await platform.transfer_project(await entering(platform, ADA, made.id), org.id)
    assert (await platform.membership(BOB_ID, made.id)).role is Role.DEVELOPER

    back = await platform.transfer_project(await entering(platform, ADA, made.id), "personal")
    assert back.org == made.org


async def test_opposite_transfers_at_the_same_moment_both_succeed(platform: PlatformService) -> None:
    orgs = [(await platform.create_org(ADA, name)).id for name in ("Bakers", "Readers")]
    projects = [(await platform.create_project(ADA, name, org)).id for name, org in zip("ab", orgs, strict=True)]
    callers = [await entering(platform, ADA, project) for project in projects]

    for _ in range(3):
        orgs.reverse()
        moved = await asyncio.gather(*map(platform.transfer_project, callers, orgs))
        assert [one.org for one in moved] == orgs


async def test_a_transfer_needs_the_owner_of_the_project_and_an_admin_of_the_organisation(
    platform: PlatformService,
) -> None:
    made, theirs = await platform.create_project(ADA, "Bakery"), await platform.create_org(EVE, "Millers")
    await joined(platform, await entering(platform, ADA, made.id), BOB, Role.ADMIN)
    mine = await platform.create_org(BOB, "Bob's")

    with pytest.raises(Forbidden):  # Bob is only an admin of the project.
        await platform.transfer_project(await entering(platform, BOB, made.id), mine.id)
    with pytest.raises(OrganisationNotFound):
        await platform.transfer_project(await entering(platform, ADA, made.id), theirs.id)
    await joined(platform, EVE, ADA, Role.DEVELOPER, theirs.id)
    with pytest.raises(Forbidden):  # Ada is only a developer of the organisation.
        await platform.transfer_project(await entering(platform, ADA, made.id), theirs.id)
