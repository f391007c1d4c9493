"""Members of projects and organisations: who may change other members, and why the last owner stays."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.caller import RANK, Caller, Role
from bunbase.contracts.platform import (
    LastOwner,
    MemberNotFound,
    NewProject,
    OrganisationNotFound,
    ProjectNotFound,
    RoleFromOrganisation,
    Through,
)
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.modules import Site
from bunbase.platform.module import MODULE
from bunbase.platform.service import PlatformService
from bunbase.platform.settings import PlatformSettings
from tests.bunauth.feeds import feed_of
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA, ADA_ID, BOB, BOB_ID, EVE, EVE_ID, at, developer, entering, joined
from tests.rooms import opened


async def bakery(platform: PlatformService, *members: tuple[Caller, Role]) -> NewProject:
    made = await platform.create_project(ADA, "Bakery")
    for who, role in members:
        await joined(platform, at(made), who, role)
    return made


async def test_members_are_listed_with_email_and_name_and_the_source_of_their_role(
    platform: PlatformService, others: FakeRooms
) -> None:
    made = await bakery(platform, (BOB, Role.VIEWER), (EVE, Role.ADMIN))
    others.bunauth.deleted.add(EVE_ID)

    listed = (await platform.members(at(made, Role.VIEWER), None, 20, None)).items

    assert [(one.user.email, one.user.name, one.role, one.through) for one in listed] == [
        ("ada@example.com", "Ada", Role.OWNER, Through.ORGANISATION),
        ("bob@example.com", "Bob", Role.VIEWER, Through.PROJECT),
        ("", "", Role.ADMIN, Through.PROJECT),
    ]


async def test_pages_of_members_contain_everyone_once(platform: PlatformService) -> None:
    made = await bakery(platform, (BOB, Role.VIEWER), (EVE, Role.VIEWER))

    first = await platform.members(at(made), None, 2, None)
    second = await platform.members(at(made), None, 2, first.next)

    assert [one.user.id for one in (*first.items, *second.items)] == [ADA_ID, BOB_ID, EVE_ID]
    assert second.next is None
    other = await platform.create_project(ADA, "Library")
    with pytest.raises(InvalidCursor):
        await platform.members(at(other), None, 2, first.next)


async def test_a_changed_role_counts_at_once_and_the_gateways_hear_of_it(platform: PlatformService) -> None:
    made = await bakery(platform, (BOB, Role.ADMIN))
    org = await platform.create_org(ADA, "Guild")
    await joined(platform, ADA, BOB, Role.ADMIN, org.id)
    async with feed_of(platform) as feed:
        while (await feed.next()).kind is not RevokedKind.READY:
            pass

        await platform.change_member(at(made), None, BOB_ID, Role.VIEWER)
        await platform.change_member(ADA, org.id, BOB_ID, Role.VIEWER)

        news = [await feed.next(), await feed.next()]
    assert [(one.kind, one.id) for one in news] == [
        (RevokedKind.MEMBERSHIP, f"{made.id}:{BOB_ID}"),
        (RevokedKind.MEMBERSHIP, f":{BOB_ID}"),
    ]
    assert (await platform.membership(BOB_ID, made.id)).role is Role.VIEWER
    assert (await platform.org(BOB, org.id)).role is Role.VIEWER


@pytest.mark.parametrize("inside", ["project", "organisation"])
async def test_nobody_gives_a_role_above_their_own_or_changes_somebody_stronger(
    platform: PlatformService, inside: str
) -> None:
    """Bob has every role in turn, and tries to change Eve from every role to every other, and to remove her."""
    org = (await platform.create_org(ADA, "Guild")).id
    made = await platform.create_project(ADA, "Bakery", org)
    ref = None if inside == "project" else org
    ada = await entering(platform, ADA, made.id)
    for who in (BOB, EVE):
        await joined(platform, ada, who, Role.VIEWER, ref)
    for mine in Role:
        await platform.change_member(ada, ref, BOB_ID, mine)
        bob = await entering(platform, BOB, made.id)
        for old in Role:
            for new in Role:
                await platform.change_member(ada, ref, EVE_ID, old)
                may = RANK[mine] >= max(RANK[Role.ADMIN], RANK[old], RANK[new])
                if may:
                    assert (await platform.change_member(bob, ref, EVE_ID, new)).role is new
                else:
                    with pytest.raises(Forbidden):
                        await platform.change_member(bob, ref, EVE_ID, new)
            await platform.change_member(ada, ref, EVE_ID, old)
            if RANK[mine] < max(RANK[Role.ADMIN], RANK[old]):
                with pytest.raises(Forbidden):
                    await platform.remove_member(bob, ref, EVE_ID)


async def test_a_role_from_the_organisation_is_changed_there_alone(platform: PlatformService) -> None:
    org = await platform.create_org(ADA, "Guild")
    await joined(platform, ADA, BOB, Role.VIEWER, org.id)
    made = await platform.create_project(ADA, "Bakery", org.id)
    ada = await entering(platform, ADA, made.id)

    for attempt in (
        platform.change_member(ada, None, BOB_ID, Role.ADMIN),
        platform.remove_member(ada, None, BOB_ID),
        platform.remove_member(await entering(platform, BOB, made.id), None, BOB_ID),
    ):
        with pytest.raises(RoleFromOrganisation):
            await attempt
    added = await platform.add_member(ada, BOB_ID, Role.ADMIN)
    assert (added.role, added.through) == (Role.ADMIN, Through.PROJECT)


async def test_only_people_of_the_organisation_can_be_added_without_an_invitation(platform: PlatformService) -> None:
    """Without this, an attacker could learn which accounts exist, and add people to projects against their will."""
    made = await bakery(platform)

    for id in (BOB_ID, "usr_unknown"):
        with pytest.raises(MemberNotFound):
            await platform.add_member(at(made), id, Role.VIEWER)
    with pytest.raises(Forbidden):
        await platform.add_member(at(made, Role.DEVELOPER), ADA_ID, Role.VIEWER)


async def test_everyone_may_leave(platform: PlatformService) -> None:
    made = await bakery(platform, (BOB, Role.VIEWER))
    org = await platform.create_org(ADA, "Guild")
    await joined(platform, ADA, BOB, Role.VIEWER, org.id)

    await platform.remove_member(await entering(platform, BOB, made.id), None, BOB_ID)
    await platform.remove_member(BOB, org.id, BOB_ID)

    with pytest.raises(ProjectNotFound):
        await platform.membership(BOB_ID, made.id)
    with pytest.raises(OrganisationNotFound):
        await platform.org(BOB, org.id)


async def test_a_person_removed_from_an_organisation_loses_the_roles_in_its_projects(platform: PlatformService) -> None:
    org = await platform.create_org(ADA, "Guild")
    await joined(platform, ADA, BOB, Role.DEVELOPER, org.id)
    bobs = await platform.create_project(BOB, "Bakery", org.id)
    elsewhere = await bakery(platform, (BOB, Role.VIEWER))

    await platform.remove_member(ADA, org.id, BOB_ID)

    with pytest.raises(ProjectNotFound):
        await platform.membership(BOB_ID, bobs.id)
    assert (await platform.membership(BOB_ID, elsewhere.id)).role is Role.VIEWER
    assert (await platform.membership(ADA_ID, bobs.id)).role is Role.OWNER


async def test_the_last_owner_of_an_organisation_is_kept(platform: PlatformService) -> None:
    org = await platform.create_org(ADA, "Guild")
    await joined(platform, ADA, BOB, Role.ADMIN, org.id)

    for attempt in (
        platform.remove_member(ADA, org.id, ADA_ID),
        platform.change_member(ADA, org.id, ADA_ID, Role.ADMIN),
    ):
        with pytest.raises(LastOwner):
            await attempt
    await platform.change_member(ADA, org.id, BOB_ID, Role.OWNER)
    await platform.remove_member(ADA, org.id, ADA_ID)

    assert [one.user.id for one in (await platform.members(BOB, org.id, 20, None)).items] == [BOB_ID]


async def test_of_two_last_owners_who_leave_at_once_one_stays(platform: PlatformService) -> None:
    for number in range(4):
        org = await platform.create_org(ADA, f"Guild {number}")
        await joined(platform, ADA, BOB, Role.OWNER, org.id)

        left = await asyncio.gather(
            platform.remove_member(ADA, org.id, ADA_ID),
            platform.remove_member(BOB, org.id, BOB_ID),
            return_exceptions=True,
        )

        assert sorted(isinstance(one, LastOwner) for one in left) == [False, True]


async def test_of_two_admins_who_remove_each_other_at_once_one_stays(platform: PlatformService) -> None:
    made = await bakery(platform, (BOB, Role.ADMIN), (EVE, Role.ADMIN))
    bob, eve = await entering(platform, BOB, made.id), await entering(platform, EVE, made.id)

    done = await asyncio.gather(
        platform.remove_member(bob, None, EVE_ID), platform.remove_member(eve, None, BOB_ID), return_exceptions=True
    )

    assert sorted(isinstance(one, Forbidden) for one in done) == [False, True]


async def test_a_project_keeps_the_owners_of_its_organisation(platform: PlatformService) -> None:
    made = await bakery(platform, (BOB, Role.OWNER))
    bob = await entering(platform, BOB, made.id)

    with pytest.raises(RoleFromOrganisation):
        await platform.remove_member(bob, None, ADA_ID)
    await platform.remove_member(bob, None, BOB_ID)

    assert (await platform.membership(ADA_ID, made.id)).role is Role.OWNER


async def test_unknown_members_are_not_found(platform: PlatformService) -> None:
    made = await bakery(platform)

    for attempt in (
        platform.change_member(at(made), None, BOB_ID, Role.VIEWER),
        platform.remove_member(at(made), None, BOB_ID),
    ):
        with pytest.raises(MemberNotFound):
            await attempt


async def test_a_member_of_another_project_cannot_be_changed(platform: PlatformService) -> None:
    await bakery(platform, (BOB, Role.VIEWER))
    theirs = await platform.create_project(EVE, "Mill")
    eve = await entering(platform, EVE, theirs.id)

    with pytest.raises(MemberNotFound):
        await platform.change_member(eve, None, BOB_ID, Role.ADMIN)
    assert [one.user.id for one in (await platform.members(eve, None, 20, None)).items] == [EVE_ID]


async def test_the_number_of_members_has_a_limit(others: FakeRooms, here: Site) -> None:
    async with opened(MODULE, others.rooms(), here, settings=PlatformSettings(max_members=2)) as platform:
        made = await bakery(platform)

        answers = await asyncio.gather(
            *(joined(platform, at(made), developer(f"usr_{number}"), Role.VIEWER) for number in range(5)),
            return_exceptions=True,
        )

        assert sum(isinstance(one, InvalidInput) for one in answers) == 3
