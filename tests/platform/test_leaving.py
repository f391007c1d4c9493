"""The deletion of an account leaves nothing without an owner, and an interrupted deletion can be repeated."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.bunauth.problems import ReauthenticationRequired
from bunbase.contracts.caller import Role
from bunbase.contracts.platform import AccountOwnsProjects, LastOwner, ProjectNotFound
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.errors import Forbidden, Unreachable
from bunbase.platform.service import PlatformService
from tests.bunauth.feeds import feed_of
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA, ADA_ID, BOB, BOB_ID, entering, joined, token_of


async def test_an_account_that_is_the_only_owner_of_projects_cannot_leave(
    platform: PlatformService, others: FakeRooms
) -> None:
    made = await platform.create_project(ADA, "Bakery")
    await joined(platform, await entering(platform, ADA, made.id), BOB, Role.OWNER)
    # The project can still be restored.
    await platform.delete_project(await entering(platform, ADA, made.id), made.slug)

    with pytest.raises(AccountOwnsProjects) as refused:
        await platform.delete_account(ADA)

    assert refused.value.extra["projects"] == [made.slug]
    assert others.bunauth.deleted == set()
    assert (await platform.custody(ADA_ID, made.id)).role is Role.OWNER


async def test_the_last_owner_of_an_organisation_with_other_members_cannot_leave(
    platform: PlatformService, others: FakeRooms
) -> None:
    org = await platform.create_org(ADA, "Bakers")
    await joined(platform, ADA, BOB, Role.ADMIN, org.id)

    with pytest.raises(LastOwner):
        await platform.delete_account(ADA)
    await platform.change_member(ADA, org.id, BOB_ID, Role.OWNER)
    await platform.delete_account(ADA)

    assert others.bunauth.deleted == {ADA_ID}
    assert [one.user.id for one in (await platform.members(BOB, org.id, 20, None)).items] == [BOB_ID]


async def test_an_account_that_leaves_loses_its_roles_and_its_empty_organisations(
    platform: PlatformService, others: FakeRooms
) -> None:
    made = await platform.create_project(BOB, "Bakery")
    await joined(platform, await entering(platform, BOB, made.id), ADA, Role.OWNER)
    await platform.create_org(ADA, "Empty")
    gone = await platform.create_project(ADA, "Gone")
    await platform.delete_project(await entering(platform, ADA, gone.id), gone.slug, now=True)

    async with feed_of(platform) as feed:
        while (await feed.next()).kind is not RevokedKind.READY:
            pass
        await platform.delete_account(ADA)
        news = await feed.next()

    assert others.bunauth.deleted == {ADA_ID}
    assert (news.kind, news.id) == (RevokedKind.MEMBERSHIP, f":{ADA_ID}")
    assert (await platform.orgs(ADA, 20, None)).items == ()
    with pytest.raises(ProjectNotFound):
        await platform.membership(ADA_ID, made.id)
    assert (await platform.membership(BOB_ID, made.id)).role is Role.OWNER


async def test_a_departure_that_was_interrupted_is_completed_by_the_same_request(
    platform: PlatformService, others: FakeRooms
) -> None:
    await platform.create_org(ADA, "Empty")
    others.bunauth.dies = Unreachable("BunAuth was killed.")
    with pytest.raises(Unreachable):
        await platform.delete_account(ADA)

    others.bunauth.dies = None
    await platform.delete_account(ADA)

    assert others.bunauth.deleted == {ADA_ID}


async def test_a_departure_that_bunauth_would_refuse_removes_nothing(
    platform: PlatformService, others: FakeRooms
) -> None:
    org = await platform.create_org(ADA, "Bakers")
    others.bunauth.refusal = ReauthenticationRequired()

    with pytest.raises(ReauthenticationRequired):
        await platform.delete_account(ADA)

    assert [one.id for one in (await platform.orgs(ADA, 20, None)).items] == [org.id]


async def test_of_two_owners_who_leave_at_the_same_moment_one_stays(
    platform: PlatformService, others: FakeRooms
) -> None:
    org = await platform.create_org(ADA, "Bakers")
    await joined(platform, ADA, BOB, Role.OWNER, org.id)
    await platform.create_project(ADA, "Bakery", org.id)

    answers = await asyncio.gather(platform.delete_account(ADA), platform.delete_account(BOB), return_exceptions=True)

    assert sum(isinstance(answer, AccountOwnsProjects) for answer in answers) == 1
    assert len(others.bunauth.deleted) == 1


async def test_an_account_that_is_being_deleted_joins_nothing(platform: PlatformService, others: FakeRooms) -> None:
    made = await platform.create_project(BOB, "Bakery")
    at_bakery = await entering(platform, BOB, made.id)
    invite = await platform.create_invite(at_bakery, None, "ada@example.com", Role.ADMIN)
    refused: list[BaseException | object] = []

    async def join_everything() -> None:
        ways = (
            platform.accept_invite(ADA, token_of(invite)),
            platform.create_org(ADA, "Late"),
            platform.create_project(ADA, "Late"),
        )
        refused.extend(await asyncio.gather(*ways, return_exceptions=True))

    others.bunauth.meanwhile = join_everything
    await platform.delete_account(ADA)

    assert [type(answer) for answer in refused] == [Forbidden] * 3
    for table in ("members", "org_members"):
        count = f"SELECT count(*) FROM {table} WHERE developer = $1"
        assert await platform.stores.db.value(count, ADA_ID) == 0


async def test_an_account_whose_deletion_was_refused_can_join_again(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")
    with pytest.raises(AccountOwnsProjects):
        await platform.delete_account(ADA)

    assert await platform.create_org(ADA, "Bakers")
    assert (await platform.membership(ADA_ID, made.id)).role is Role.OWNER
