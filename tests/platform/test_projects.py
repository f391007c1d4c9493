from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bunbase.contracts.caller import CallerKind, Role
from bunbase.contracts.platform import ProjectChanges, ProjectNotFound
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.cursors import InvalidCursor, encode_cursor
from bunbase.pkg.errors import Forbidden, InvalidInput, Unauthenticated, Unreachable
from bunbase.pkg.modules import Site
from bunbase.platform.module import MODULE
from bunbase.platform.service import PlatformService
from bunbase.platform.settings import PlatformSettings
from tests.cursors import parts_of
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA, ADA_ID, BOB, BOB_ID, at, value_of
from tests.rooms import ANYONE, member_caller, opened


async def test_a_new_project_has_an_owner_an_encryption_key_and_two_project_keys(
    platform: PlatformService, others: FakeRooms, clock: ManualClock
) -> None:
    made = await platform.create_project(ADA, "  Ada's Bakery ")

    assert (made.name, made.slug, made.role, made.created_at) == (
        "Ada's Bakery",
        "adas-bakery",
        Role.OWNER,
        clock.now(),
    )
    assert made.id in others.kms.versions
    assert [key.kind for key in made.keys] == [CallerKind.PUBLISHABLE, CallerKind.SECRET]
    for key, prefix in zip(made.keys, ("pk_", "sk_"), strict=True):
        holder = await platform.key_holder(value_of(key))
        assert value_of(key).startswith(prefix)
        assert (holder.key_id, holder.project, holder.kind, holder.expires_at) == (key.id, made.id, key.kind, 0.0)


@pytest.mark.parametrize("name", ["", "   ", "a" * 101, "line\nbreak", "nul\0"])
async def test_an_empty_long_or_unprintable_project_name_is_refused(platform: PlatformService, name: str) -> None:
    made = await platform.create_project(ADA, "Bakery")

    for refused in (platform.create_project(ADA, name), platform.update_project(at(made), ProjectChanges(name))):
        with pytest.raises(InvalidInput) as problem:
            await refused
        assert problem.value.extra["errors"][0]["path"] == "/name"


async def test_only_a_signed_in_developer_can_create_projects(platform: PlatformService) -> None:
    with pytest.raises(Unauthenticated):
        await platform.create_project(ANYONE, "Bakery")


async def test_no_project_is_created_while_bunkms_is_unreachable(platform: PlatformService, others: FakeRooms) -> None:
    others.kms.reachable = False

    with pytest.raises(Unreachable):
        await platform.create_project(ADA, "Bakery")

    assert (await platform.projects(ADA, 20, None)).items == ()


async def test_projects_of_the_same_name_have_different_slugs(platform: PlatformService) -> None:
    made = await asyncio.gather(*(platform.create_project(ADA, "Bakery") for _ in range(8)))

    slugs = sorted((one.slug for one in made), key=len)
    assert slugs[0] == "bakery"
    assert all(slug.startswith("bakery-") for slug in slugs[1:])
    assert len(set(slugs)) == 8


async def test_the_number_of_projects_of_an_organisation_has_a_limit(others: FakeRooms, here: Site) -> None:
    async with opened(
        MODULE, others.rooms(), here, settings=PlatformSettings(max_projects_per_organisation=2)
    ) as platform:
        first = await platform.create_project(ADA, "One")
        await platform.create_project(ADA, "Two")

        with pytest.raises(InvalidInput, match="Delete one first"):
            await platform.create_project(ADA, "Three")

        assert await platform.create_project(BOB, "Three")
        await platform.delete_project(at(first), "one")
        with pytest.raises(InvalidInput, match="can still be restored counts too"):
            await platform.create_project(ADA, "Three")
        await platform.delete_project(at(first), "one", now=True)
        assert await platform.create_project(ADA, "Three")


async def test_simultaneous_requests_cannot_exceed_the_limit_of_projects(others: FakeRooms, here: Site) -> None:
    async with opened(
        MODULE, others.rooms(), here, settings=PlatformSettings(max_projects_per_organisation=2)
    ) as platform:
        made = await asyncio.gather(
            *(platform.create_project(ADA, f"Project {number}") for number in range(8)), return_exceptions=True
        )

        assert sum(isinstance(one, InvalidInput) for one in made) == 6
        assert len((await platform.projects(ADA, 20, None)).items) == 2


async def test_pages_contain_every_project_once_while_projects_are_created_and_deleted(
    platform: PlatformService,
) -> None:
    made = [await platform.create_project(ADA, f"Project {number}") for number in range(5)]
    await platform.create_project(BOB, "Not Ada's")

    first = await platform.projects(ADA, 2, None)
    await platform.create_project(ADA, "Newer than all")
    await platform.delete_project(at(made[3]), made[3].slug)  # This project was on the first page.
    second = await platform.projects(ADA, 2, first.next)
    third = await platform.projects(ADA, 2, second.next)

    pages = [[project.name for project in page.items] for page in (first, second, third)]
    assert pages == [["Project 4", "Project 3"], ["Project 2", "Project 1"], ["Project 0"]]
    assert third.next is None


async def test_a_full_last_page_has_no_cursor(platform: PlatformService) -> None:
    for number in range(2):
        await platform.create_project(ADA, f"Project {number}")

    assert (await platform.projects(ADA, 2, None)).next is None


async def test_a_cursor_is_refused_for_another_list(platform: PlatformService) -> None:
    for number in range(2):
        await platform.create_project(ADA, f"Project {number}")
    adas = (await platform.projects(ADA, 1, None)).next

    assert adas is not None
    nul = encode_cursor(parts_of(adas, str)[0], "prj_\0")  # PostgreSQL refuses this text.
    for developer, cursor in ((BOB, adas), (ADA, nul), (ADA, "nonsense"), (ADA, "%00"), (ADA, "[]")):
        with pytest.raises(InvalidCursor):
            await platform.projects(developer, 1, cursor)


async def test_renaming_a_project_keeps_its_slug(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")

    renamed = await platform.update_project(at(made), ProjectChanges("Patisserie"))

    assert (renamed.name, renamed.slug) == ("Patisserie", "bakery")
    assert await platform.project(at(made)) == renamed


async def test_only_members_find_a_project_by_id_or_slug(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")

    for ref in (made.id, "bakery"):
        assert (await platform.membership(ADA_ID, ref)).project == made.id
        assert (await platform.membership(ADA_ID, ref)).role is Role.OWNER
        with pytest.raises(ProjectNotFound):
            await platform.membership(BOB_ID, ref)
    for ref in ("", "BAKERY", "prj_unknown"):
        with pytest.raises(ProjectNotFound):
            await platform.membership(ADA_ID, ref)


async def test_project_of_finds_an_existing_project_by_its_exact_slug(
    platform: PlatformService,
) -> None:
    made = await platform.create_project(ADA, "Bakery")

    assert await platform.project_of(made.slug) == made.id
    for other in (made.id, made.slug.upper(), "", "a.b", "a\0b", "%"):
        with pytest.raises(ProjectNotFound):
            await platform.project_of(other)
    await platform.delete_project(at(made), made.slug)

    with pytest.raises(ProjectNotFound):
        await platform.project_of(made.slug)


async def test_a_project_named_like_an_id_gets_another_slug(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")

    bobs = await platform.create_project(BOB, made.id)

    assert bobs.slug != made.id
    assert (await platform.membership(ADA_ID, made.id)).project == made.id


ROLES_THAT_MAY = {
    "project": {Role.OWNER, Role.ADMIN, Role.DEVELOPER, Role.VIEWER},
    "keys": {Role.OWNER, Role.ADMIN, Role.DEVELOPER, Role.VIEWER},
    "rename": {Role.OWNER, Role.ADMIN},
    "create_key": {Role.OWNER, Role.ADMIN},
    "rotate_key": {Role.OWNER, Role.ADMIN},
    "revoke_key": {Role.OWNER, Role.ADMIN},
    "delete": {Role.OWNER},
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("act", ROLES_THAT_MAY)
async def test_each_role_may_do_exactly_what_the_table_allows(platform: PlatformService, role: Role, act: str) -> None:
    made = await platform.create_project(ADA, "Bakery")
    caller, key = at(made, role), made.keys[0].id
    doing: Callable[[], Awaitable[object]] = {
        "project": lambda: platform.project(caller),
        "keys": lambda: platform.keys(caller),
        "rename": lambda: platform.update_project(caller, ProjectChanges("New")),
        "create_key": lambda: platform.create_key(caller, CallerKind.SECRET, "new", None),
        "rotate_key": lambda: platform.rotate_key(caller, key, 0),
        "revoke_key": lambda: platform.revoke_key(caller, key),
        "delete": lambda: platform.delete_project(caller, made.slug),
    }[act]

    if role in ROLES_THAT_MAY[act]:
        await doing()
    else:
        with pytest.raises(Forbidden):
            await doing()


async def test_a_caller_who_is_no_member_does_not_find_the_project(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")

    with pytest.raises(ProjectNotFound):
        await platform.project(member_caller(made.id, Role.OWNER, BOB_ID))
