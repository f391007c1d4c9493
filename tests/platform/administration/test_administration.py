from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from bunbase.contracts.bundoc.documents import StoredSize
from bunbase.contracts.caller import Caller, CallerKind, Developer, Role
from bunbase.contracts.platform import InvalidKey, ProjectNotFound
from bunbase.contracts.project_administration import InstallationUsage, ProjectSuspended
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden
from bunbase.platform.service import PlatformService
from tests.bunauth.feeds import feed_of
from tests.pkg.waiting import eventually
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA, ADA_ID, BOB, BOB_ID, entering, value_of

ROOT = Caller(CallerKind.DEVELOPER, developer=Developer("usr_root", "root@example.com", admin=True, session="ses_r"))
NARROW = Caller(CallerKind.DEVELOPER, developer=Developer("usr_root", "", admin=True, scopes=("write",), token="tok_1"))
WRITTEN = datetime(2026, 1, 2, tzinfo=UTC)


async def test_administrators_page_through_projects_with_their_sizes(
    platform: PlatformService, others: FakeRooms
) -> None:
    made = [await platform.create_project(caller, "Bakery") for caller in (ADA, BOB, ADA)]
    others.bundoc.sizes = {made[1].id: StoredSize(4096, WRITTEN)}

    first = await platform.installation_projects(ROOT, "", 2, None)
    second = await platform.installation_projects(ROOT, "", 2, first.next)
    found = await platform.installation_projects(ROOT, made[1].slug, 20, None)

    assert [one.id for one in (*first.items, *second.items)] == [one.id for one in reversed(made)]
    assert second.next is None
    (bobs,) = found.items
    assert (bobs.owners, bobs.members, bobs.bytes, bobs.written_at) == ((BOB_ID,), 1, 4096, WRITTEN)
    assert (first.items[0].owners, first.items[0].bytes, first.items[0].written_at) == ((ADA_ID,), 0, None)


async def test_the_size_of_the_installation_is_measured(platform: PlatformService, others: FakeRooms) -> None:
    made = [await platform.create_project(caller, "Bakery") for caller in (ADA, BOB)]
    others.bundoc.sizes = {one.id: StoredSize(1000, WRITTEN) for one in made}
    await platform.suspend_project(ROOT, made[0].id)

    assert await platform.installation_usage(ROOT) == InstallationUsage(2, 1, 2, 4, 2000, 7)


async def test_the_keys_and_hosts_of_a_suspended_project_are_refused_until_it_is_resumed(
    platform: PlatformService, clock: ManualClock
) -> None:
    made = await platform.create_project(ADA, "Bakery")
    refused: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: platform.key_holder(value_of(made.keys[0])),
        lambda: platform.key_holder(value_of(made.keys[1])),
        lambda: platform.project_of(made.slug),
        lambda: platform.check_active(made.id),
    )

    shown = await platform.suspend_project(ROOT, made.slug)
    for call in refused:
        with pytest.raises(ProjectSuspended):
            await call()
    member = await platform.membership(ADA_ID, made.id)
    resumed = await platform.resume_project(ROOT, made.id)
    for call in refused:
        await call()

    assert (shown.suspended_at, resumed.suspended_at) == (clock.now(), None)
    assert (member.role, member.suspended) == (Role.OWNER, True)
    assert not (await platform.membership(ADA_ID, made.id)).suspended


async def test_an_invalid_key_of_a_suspended_project_stays_an_invalid_key(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")
    await platform.suspend_project(ROOT, made.id)

    with pytest.raises(InvalidKey):
        await platform.key_holder("sk_invented")


async def test_all_processes_are_told_of_a_suspension_and_of_its_end(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")
    async with feed_of(platform) as feed:
        assert (await feed.next()).kind is RevokedKind.READY

        await platform.suspend_project(ROOT, made.id)
        await platform.suspend_project(ROOT, made.id)
        first = await feed.next()
        await platform.resume_project(ROOT, made.id)
        second = await feed.next()

    assert [(news.kind, news.id) for news in (first, second)] == [(RevokedKind.PROJECT, made.id)] * 2


async def test_an_inspecting_administrator_has_the_role_of_a_viewer(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")

    found = await platform.inspection("usr_root", made.slug)

    assert (found.project, found.role) == (made.id, Role.VIEWER)
    with pytest.raises(ProjectNotFound):
        await platform.inspection("usr_root", "unknown")


ACTS: tuple[Callable[[PlatformService, Caller, str], Awaitable[object]], ...] = (
    lambda platform, caller, id: platform.installation_projects(caller, "", 20, None),
    lambda platform, caller, id: platform.managed_project(caller, id),
    lambda platform, caller, id: platform.suspend_project(caller, id),
    lambda platform, caller, id: platform.resume_project(caller, id),
    lambda platform, caller, id: platform.installation_usage(caller),
)


async def test_only_administrators_administer_projects(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")

    for act in ACTS:
        for caller in (ADA, NARROW):
            with pytest.raises(Forbidden):
                await act(platform, caller, made.id)


async def test_an_unknown_project_is_not_found(platform: PlatformService) -> None:
    for act in ACTS[1:4]:
        for ref in ("prj_unknown", "nul\0"):
            with pytest.raises(ProjectNotFound):
                await act(platform, ROOT, ref)


async def test_the_runs_of_a_project_pause_while_it_is_suspended_or_deleted(
    platform: PlatformService, others: FakeRooms
) -> None:
    made = await platform.create_project(ADA, "Bakery")
    owner = await entering(platform, ADA, made.id)

    await platform.suspend_project(ROOT, made.id)
    await eventually(lambda: others.functions.heard == [True])
    await platform.delete_project(owner, made.slug)
    await eventually(lambda: others.functions.heard == [True, True])
    await platform.restore_project(owner)
    await eventually(lambda: others.functions.heard == [True, True, True])
    await platform.resume_project(ROOT, made.id)
    await eventually(lambda: others.functions.heard == [True, True, True, False])

    assert others.functions.paused == set()
