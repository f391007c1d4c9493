"""A deleted project stops at once, can be restored for 7 days, and is then destroyed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from bunbase.contracts.bunkms import KeyDestroyed
from bunbase.contracts.caller import CallerKind, Role
from bunbase.contracts.platform import (
    ConfirmationNeeded,
    InvalidKey,
    NewProject,
    Platform,
    ProjectChanges,
    ProjectDeleted,
    ProjectNotFound,
)
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.modules import Site
from bunbase.platform.module import MODULE
from bunbase.platform.service import PlatformService
from tests.bunauth.feeds import feed_of
from tests.pkg.waiting import eventually, until_true
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA, ADA_ID, BOB, BOB_ID, at, entering, joined, value_of
from tests.rooms import opened

DAY_SECONDS = 86_400


async def bakery(platform: Platform) -> NewProject:
    return await platform.create_project(ADA, "Bakery")


async def works(platform: Platform, made: NewProject) -> bool:
    try:
        await platform.key_holder(value_of(made.keys[0]))
    except InvalidKey:
        return False
    return True


@pytest.mark.parametrize("confirm", ["", "Bakery", "bakery ", "another"])
@pytest.mark.parametrize("now", [False, True])
async def test_deleting_a_project_needs_its_slug_as_confirmation(
    platform: PlatformService, confirm: str, now: bool
) -> None:
    made = await bakery(platform)

    with pytest.raises(ConfirmationNeeded, match='"confirm": "bakery"'):
        await platform.delete_project(at(made), confirm, now)

    assert await platform.project(at(made))


async def test_a_deleted_project_is_refused_everywhere_at_once(platform: PlatformService, others: FakeRooms) -> None:
    made = await bakery(platform)

    await platform.delete_project(at(made), "bakery")

    for key in made.keys:
        with pytest.raises(InvalidKey):
            await platform.key_holder(value_of(key))
    for attempt in (
        platform.membership(ADA_ID, made.id),
        platform.project(at(made)),
        platform.update_project(at(made), ProjectChanges("Back again")),
        platform.transfer_project(at(made), "personal"),
    ):
        with pytest.raises((ProjectDeleted, ProjectNotFound)):
            await attempt
    with pytest.raises(InvalidInput):
        await platform.create_key(at(made), CallerKind.SECRET, "late", None)
    with pytest.raises(ProjectNotFound):
        await platform.create_invite(at(made), None, "bob@example.com", Role.VIEWER)
    with pytest.raises(ProjectNotFound):
        await platform.membership(BOB_ID, made.id)
    with pytest.raises(ProjectNotFound):
        await platform.project_of("bakery")
    assert (await platform.projects(ADA, 20, None)).items == ()
    await eventually(lambda: others.functions.paused == {made.id})
    assert not others.kms.destroyed


async def test_a_restored_project_is_as_it_was(platform: PlatformService, others: FakeRooms) -> None:
    made = await bakery(platform)
    await joined(platform, at(made), BOB, Role.DEVELOPER)
    before = await platform.project(at(made))
    await platform.delete_project(at(made), "bakery")

    restored = await platform.restore_project(at(made))

    assert restored == before == await platform.project(at(made))
    assert await works(platform, made)
    assert (await platform.membership(BOB_ID, "bakery")).role is Role.DEVELOPER
    await eventually(lambda: not others.functions.paused)
    assert await platform.restore_project(at(made)) == before  # A repeated request changes nothing.


async def test_a_deleted_project_is_listed_with_the_end_of_its_time(
    platform: PlatformService, clock: ManualClock
) -> None:
    made = await bakery(platform)
    await platform.create_project(ADA, "Alive")

    await platform.delete_project(at(made), "bakery")

    (listed,) = (await platform.projects(ADA, 20, None, deleted=True)).items
    assert (listed.id, listed.role) == (made.id, Role.OWNER)
    assert (listed.deleted_at, listed.destroyed_after) == (clock.now(), clock.now() + timedelta(days=7))
    assert (await platform.projects(BOB, 20, None, deleted=True)).items == ()


async def test_only_an_owner_may_restore_or_destroy_a_deleted_project(platform: PlatformService) -> None:
    made = await bakery(platform)
    await platform.delete_project(at(made), "bakery")

    for role in (Role.ADMIN, Role.DEVELOPER, Role.VIEWER):
        for attempt in (
            platform.restore_project(at(made, role)),
            platform.delete_project(at(made, role), "bakery", now=True),
        ):
            with pytest.raises(Forbidden):
                await attempt
    with pytest.raises(ProjectNotFound):
        await platform.custody(BOB_ID, made.id)
    assert (await platform.custody(ADA_ID, "bakery")).role is Role.OWNER


async def test_deletion_with_now_destroys_the_key_at_once(platform: PlatformService, others: FakeRooms) -> None:
    made = await bakery(platform)

    await platform.delete_project(at(made), "bakery", now=True)

    with pytest.raises(KeyDestroyed):
        await others.kms.seal(made.id, "env", b"")
    with pytest.raises(ProjectNotFound):
        await platform.restore_project(at(made))
    assert (await platform.projects(ADA, 20, None, deleted=True)).items == ()
    await eventually(lambda: others.have_heard(made.id))


async def test_a_project_that_waits_for_its_end_can_be_destroyed_at_once(
    platform: PlatformService, others: FakeRooms
) -> None:
    made = await bakery(platform)
    await platform.delete_project(at(made), "bakery")

    await platform.delete_project(at(made), "bakery", now=True)

    await eventually(lambda: others.have_heard(made.id))


async def test_after_seven_days_a_deleted_project_is_destroyed(
    platform: PlatformService, others: FakeRooms, clock: ManualClock
) -> None:
    made, other = await bakery(platform), await platform.create_project(ADA, "Alive")
    await platform.delete_project(at(made), "bakery")

    clock.advance(7 * DAY_SECONDS - 1)
    await platform.deletion.destroy_overdue()
    assert await platform.restore_project(at(made))
    await platform.delete_project(at(made), "bakery")
    clock.advance(7 * DAY_SECONDS)
    await platform.deletion.destroy_overdue()

    await eventually(lambda: others.have_heard(made.id))
    with pytest.raises(ProjectNotFound):
        await platform.restore_project(at(made))
    assert other.id not in others.kms.destroyed
    assert await works(platform, other)


async def test_a_restoration_and_the_end_of_the_seven_days_never_both_succeed(
    platform: PlatformService, clock: ManualClock
) -> None:
    made = [await platform.create_project(ADA, f"Bakery {number}") for number in range(6)]
    for one in made:
        await platform.delete_project(at(one), one.slug)
    clock.advance(7 * DAY_SECONDS)

    restored = await asyncio.gather(
        *(platform.restore_project(at(one)) for one in made),
        platform.deletion.destroy_overdue(),
        platform.deletion.destroy_overdue(),
        return_exceptions=True,
    )

    for one, answer in zip(made, restored, strict=False):
        assert isinstance(answer, ProjectNotFound) or await works(platform, one)


async def test_the_slug_of_a_deleted_project_is_never_used_again(platform: PlatformService) -> None:
    made = await bakery(platform)
    await platform.delete_project(at(made), "bakery", now=True)

    assert (await platform.create_project(BOB, "Bakery")).slug.startswith("bakery-")


@pytest.mark.parametrize("now", [False, True])
async def test_the_feed_of_revocations_contains_a_deleted_project(platform: PlatformService, now: bool) -> None:
    made = await bakery(platform)
    async with feed_of(platform) as feed:
        while (await feed.next()).kind is not RevokedKind.READY:
            pass

        await platform.delete_project(at(made), "bakery", now)

        news = await feed.next()
    assert (news.kind, news.id) == (RevokedKind.PROJECT, made.id)


@pytest.mark.parametrize("down", ["kms", "tenant_auth", "bundoc", "functions"])
async def test_every_room_is_notified_of_a_destruction_even_after_it_was_down(
    platform: PlatformService, others: FakeRooms, down: str
) -> None:
    made = await bakery(platform)
    room = getattr(others, down)
    room.reachable = False

    await platform.delete_project(at(made), "bakery", now=True)

    rest = [hearing for hearing in (others.tenant_auth, others.bundoc, others.functions) if hearing is not room]
    await eventually(lambda: all(made.id in hearing.dropped for hearing in rest))
    assert not others.have_heard(made.id)
    room.reachable = True
    await relayed(platform, others, made.id)


async def test_functions_that_were_down_learn_the_latest_state_of_a_project(
    platform: PlatformService, others: FakeRooms
) -> None:
    made = await bakery(platform)
    others.functions.reachable = False
    await platform.delete_project(at(made), "bakery")
    await platform.restore_project(at(made))
    await platform.delete_project(at(made), "bakery")

    others.functions.reachable = True

    await delivered(platform, lambda: platform.stores.db.value("SELECT NOT EXISTS (SELECT FROM outbox)"))
    # Functions never heard that the project runs, because the project was deleted again before the room could be told.
    assert set(others.functions.heard) == {True}
    assert others.functions.paused == {made.id}


async def test_rooms_are_notified_of_a_destruction_after_a_restart(others: FakeRooms, here: Site) -> None:
    async with opened(MODULE, others.rooms(), here) as platform:
        made = await bakery(platform)
        # This acts as if the process was killed before it told the other rooms.
        platform.deletion.tell_others = lambda: None
        await platform.delete_project(at(made), "bakery", now=True)

    async with opened(MODULE, others.rooms(), here):
        await eventually(lambda: others.have_heard(made.id))


async def test_the_members_of_a_destroyed_project_are_forgotten(platform: PlatformService) -> None:
    made = await bakery(platform)
    await joined(platform, at(made), BOB, Role.ADMIN)
    assert await entering(platform, BOB, made.id)

    await platform.delete_project(at(made), "bakery", now=True)

    rows = await platform.stores.db.value(
        "SELECT (SELECT count(*) FROM members) + (SELECT count(*) FROM invites) + (SELECT count(*) FROM keys)"
    )
    assert rows == 0


async def relayed(platform: PlatformService, others: FakeRooms, project: str) -> None:
    """Wait until all rooms have heard of the end of a project, without waiting for the next attempt of the outbox."""

    async def have_heard() -> bool:
        return others.have_heard(project)

    await delivered(platform, have_heard)


async def delivered(platform: PlatformService, done: Callable[[], Awaitable[object]]) -> None:
    """Deliver the events of the outbox, without waiting for its next attempt, until `done` is true."""

    async def is_done() -> object:
        await platform.stores.db.execute("UPDATE outbox SET due_at = now()")
        platform.deletion.tell_others()
        return await done()

    await until_true(is_done)
