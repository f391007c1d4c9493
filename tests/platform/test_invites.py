"""Invitations to projects and organisations."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from bunbase.contracts.caller import RANK, Caller, Role
from bunbase.contracts.platform import Invite, InviteNotFound, NewProject, ProjectNotFound
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, InvalidInput, RateLimited, Unauthenticated
from bunbase.pkg.identity.problems import LinkExpired
from bunbase.pkg.modules import Site
from bunbase.platform.module import MODULE
from bunbase.platform.service import PlatformService
from bunbase.platform.settings import PlatformSettings
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA, BOB, BOB_ID, EVE, EVE_ID, at, entering, joined, token_of
from tests.rooms import ANYONE, opened
from tests.tables import everything_in

DAY_SECONDS = 86_400


async def bakery(platform: PlatformService) -> NewProject:
    return await platform.create_project(ADA, "Bakery")


async def invited(
    platform: PlatformService, made: NewProject, role: Role = Role.DEVELOPER, email: str = "bob@example.com"
) -> Invite:
    return await platform.create_invite(at(made), None, email, role)


async def refused(answer: Awaitable[Any]) -> None:
    with pytest.raises(LinkExpired):
        await answer


async def not_found(answer: Awaitable[Any]) -> None:
    with pytest.raises(InviteNotFound):
        await answer


async def test_an_accepted_invitation_makes_the_account_a_member(platform: PlatformService, clock: ManualClock) -> None:
    made = await bakery(platform)
    invite = await invited(platform, made, email=" Bob@Example.com ")
    assert (invite.email, invite.role, invite.expires_at) == (
        "bob@example.com",
        Role.DEVELOPER,
        clock.now() + timedelta(days=7),
    )
    assert invite.url is not None
    assert invite.url.startswith("http://127.0.0.1:7070/invite?token=binv_")

    accepted = await platform.accept_invite(BOB, token_of(invite))

    assert accepted.project is not None
    assert (accepted.project.id, accepted.role, accepted.org) == (made.id, Role.DEVELOPER, None)
    assert (await platform.membership(BOB_ID, made.id)).role is Role.DEVELOPER
    assert (await platform.invites(at(made), None, 20, None)).items == ()


async def test_an_invitation_is_sent_by_mail_with_its_link(platform: PlatformService) -> None:
    made = await bakery(platform)
    invite = await invited(platform, made)
    again = await platform.resend_invite(at(made), None, invite.id)

    mails = await platform.dev_mails("bob@example.com", made.id, 20, "")

    assert [mail.subject for mail in mails] == ["Ada invites you to Bakery"] * 2
    links = {re.findall(r"/invite\?token=(binm_\S+)", mail.text)[0] for mail in mails}
    assert len(links) == 2, "each mail has a link of its own, which the inviter never sees"
    for mail in mails:
        assert "binv_" not in mail.text
        assert "Ada (ada@example.com) invites you to work on the project Bakery" in " ".join(mail.text.split())
        assert "developer" in mail.text
    assert {token_of(again), token_of(invite)}.isdisjoint(links)


async def test_no_mail_is_sent_for_a_refused_invitation(others: FakeRooms, here: Site) -> None:
    async with opened(MODULE, others.rooms(), here, settings=PlatformSettings(max_open_invites=1)) as platform:
        made = await bakery(platform)
        await invited(platform, made)

        with pytest.raises(InvalidInput):
            await invited(platform, made, email="eve@example.com")

        assert await platform.dev_mails("eve@example.com", "", 20, "") == ()


async def test_nothing_is_stored_if_the_server_dies_while_it_posts_the_mail(
    platform: PlatformService, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await bakery(platform)
    old = await invited(platform, made)

    async def die(*_: object) -> None:
        raise ConnectionAbortedError

    with monkeypatch.context() as patch:
        patch.setattr(platform.stores.mails, "post", die)
        for attempt in (invited(platform, made), platform.resend_invite(at(made), None, old.id)):
            with pytest.raises(ConnectionAbortedError):
                await attempt

    assert [one.id for one in (await platform.invites(at(made), None, 20, None)).items] == [old.id]
    assert await platform.accept_invite(BOB, token_of(old))  # The old link still works.
    assert set(await sent_counts(platform)) == {1}


async def sent_counts(platform: PlatformService) -> list[int]:
    found: list[int] = await platform.stores.db.value("SELECT array_agg(count) FROM invites_sent")
    return found


async def test_an_admin_cannot_end_the_invitation_of_an_owner_with_another_one(platform: PlatformService) -> None:
    made = await bakery(platform)
    invite = await invited(platform, made, Role.OWNER)
    await joined(platform, at(made), EVE, Role.ADMIN)
    admin = await entering(platform, EVE, made.id)

    with pytest.raises(Forbidden):
        await platform.create_invite(admin, None, "bob@example.com", Role.VIEWER)

    assert (await platform.accept_invite(BOB, token_of(invite))).role is Role.OWNER


async def test_an_invitation_to_an_organisation_gives_a_role_in_its_projects(platform: PlatformService) -> None:
    org = await platform.create_org(ADA, "Guild")
    made = await platform.create_project(ADA, "Bakery", org.id)

    accepted = await joined(platform, ADA, BOB, Role.VIEWER, org.slug)

    assert accepted.org is not None
    assert (accepted.org.id, accepted.role, accepted.project) == (org.id, Role.VIEWER, None)
    assert (await platform.membership(BOB_ID, made.id)).role is Role.VIEWER


async def test_the_account_that_holds_the_link_may_have_another_address(platform: PlatformService) -> None:
    made = await bakery(platform)
    invite = await invited(platform, made, email="bobs-other-address@example.com")

    await platform.accept_invite(BOB, token_of(invite))

    listed = (await platform.members(at(made), None, 20, None)).items
    # The inviter sees who accepted an invitation.
    assert [one.user.email for one in listed] == ["ada@example.com", "bob@example.com"]


async def test_without_the_token_nobody_accepts_an_invitation(platform: PlatformService, here: Site) -> None:
    made = await bakery(platform)
    invite = await invited(platform, made)

    for guess in ("", "binv_", invite.id, "binv_" + "a" * 43, "nul\0", invite.email):
        await refused(platform.accept_invite(BOB, guess))
    with pytest.raises(Unauthenticated):
        await platform.accept_invite(ANYONE, token_of(invite))

    token = token_of(invite)
    await platform.stores.db.execute("DELETE FROM mails")  # The mail contains the link until the mail is sent.
    stored = await everything_in(here.database_url, "platform")
    assert token.encode() not in stored
    assert token.removeprefix("binv_").encode() not in stored
    assert invite.id.encode() in stored  # This line proves that the search finds stored values.
    assert all(one.url is None for one in (await platform.invites(at(made), None, 20, None)).items)


async def test_an_invitation_works_once_and_a_repeated_request_gets_the_same_answer(
    platform: PlatformService,
) -> None:
    made = await bakery(platform)
    token = token_of(await invited(platform, made))
    first, second = await platform.accept_invite(BOB, token), await platform.accept_invite(BOB, token)

    assert second == msgspec.structs.replace(first, already_member=True)
    await refused(platform.accept_invite(EVE, token))

    await platform.remove_member(at(made), None, BOB_ID)
    await refused(platform.accept_invite(BOB, token))  # The link does not bring back a member who was removed.


async def test_of_two_accounts_that_accept_at_once_one_joins(platform: PlatformService) -> None:
    for number in range(4):
        made = await platform.create_project(ADA, f"Bakery {number}")
        token = token_of(await invited(platform, made))

        answers = await asyncio.gather(
            platform.accept_invite(BOB, token), platform.accept_invite(EVE, token), return_exceptions=True
        )

        assert sorted(isinstance(one, LinkExpired) for one in answers) == [False, True]
        assert len((await platform.members(at(made), None, 20, None)).items) == 2


async def test_an_invitation_accepted_while_it_is_withdrawn_is_either_used_or_gone(
    platform: PlatformService,
) -> None:
    for number in range(4):
        made = await platform.create_project(ADA, f"Bakery {number}")
        invite = await invited(platform, made)

        accepted, withdrawn = await asyncio.gather(
            platform.accept_invite(BOB, token_of(invite)),
            platform.delete_invite(at(made), None, invite.id),
            return_exceptions=True,
        )

        assert isinstance(accepted, LinkExpired) != isinstance(withdrawn, InviteNotFound)


async def test_an_invitation_accepted_while_its_project_is_destroyed_leaves_no_member(
    platform: PlatformService,
) -> None:
    for number in range(4):
        made = await platform.create_project(ADA, f"Bakery {number}")
        token = token_of(await invited(platform, made))

        await asyncio.gather(
            platform.accept_invite(BOB, token),
            platform.delete_project(at(made), made.slug, now=True),
            return_exceptions=True,
        )

        with pytest.raises(ProjectNotFound):
            await platform.custody(BOB_ID, made.id)
    assert not await platform.stores.db.value("SELECT count(*) FROM members")


async def test_an_invitation_expires_after_seven_days(
    platform: PlatformService, clock: ManualClock, here: Site
) -> None:
    made = await bakery(platform)
    invite = await invited(platform, made)

    clock.advance(7 * DAY_SECONDS)

    await refused(platform.accept_invite(BOB, token_of(invite)))
    await not_found(platform.resend_invite(at(made), None, invite.id))
    assert (await platform.invites(at(made), None, 20, None)).items == ()
    await platform.stores.delete_expired(clock.now() + timedelta(days=1))
    assert invite.id.encode() not in await everything_in(here.database_url, "platform")


async def test_a_link_that_is_sent_again_replaces_the_old_link(platform: PlatformService, clock: ManualClock) -> None:
    made = await bakery(platform)
    old = await invited(platform, made)
    clock.advance(6 * DAY_SECONDS)

    new = await platform.resend_invite(at(made), None, old.id)

    assert (new.id, new.email, new.expires_at) == (old.id, old.email, clock.now() + timedelta(days=7))
    await refused(platform.accept_invite(BOB, token_of(old)))
    assert await platform.accept_invite(BOB, token_of(new))


async def test_a_second_invitation_of_the_same_address_ends_the_first(platform: PlatformService) -> None:
    made = await bakery(platform)
    first, second = await invited(platform, made), await invited(platform, made, Role.VIEWER)

    await refused(platform.accept_invite(BOB, token_of(first)))
    assert [one.id for one in (await platform.invites(at(made), None, 20, None)).items] == [second.id]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER], ids=["weaker role", "same role"])
async def test_a_member_who_gains_nothing_keeps_the_role_and_leaves_the_invitation_to_another_person(
    platform: PlatformService, role: Role
) -> None:
    made = await bakery(platform)
    await joined(platform, at(made), BOB, Role.DEVELOPER)
    token = token_of(await invited(platform, made, role, "eve@example.com"))

    for _ in range(2):
        again = await platform.accept_invite(BOB, token)
        assert (again.role, again.already_member) == (Role.DEVELOPER, True)

    assert (await platform.accept_invite(EVE, token)).already_member is False


async def test_a_member_who_is_invited_to_a_stronger_role_gets_it_once(platform: PlatformService) -> None:
    made = await bakery(platform)
    await joined(platform, at(made), BOB, Role.VIEWER)
    token = token_of(await invited(platform, made, Role.ADMIN))

    first, second = await platform.accept_invite(BOB, token), await platform.accept_invite(BOB, token)

    assert [(one.role, one.already_member) for one in (first, second)] == [(Role.ADMIN, False), (Role.ADMIN, True)]
    await refused(platform.accept_invite(EVE, token))


async def test_an_invitation_ends_with_the_power_of_the_person_who_sent_it(platform: PlatformService) -> None:
    """A removed admin must not come back with an invitation that the admin sent to a second address of their own."""
    made = await bakery(platform)
    for weaker in (None, Role.DEVELOPER):
        await joined(platform, at(made), BOB, Role.ADMIN)
        bob = await entering(platform, BOB, made.id)
        token = token_of(await platform.create_invite(bob, None, "bob@elsewhere.example", Role.VIEWER))

        if weaker is None:
            await platform.remove_member(at(made), None, BOB_ID)
        else:
            await platform.change_member(at(made), None, BOB_ID, weaker)

        await refused(platform.accept_invite(EVE, token))


async def test_nobody_invites_to_a_role_above_their_own(platform: PlatformService) -> None:
    made = await bakery(platform)
    await joined(platform, at(made), BOB, Role.VIEWER)
    owners_only = await invited(platform, made, Role.OWNER, "eve@example.com")

    for mine in Role:
        await platform.change_member(at(made), None, BOB_ID, mine)
        bob = await entering(platform, BOB, made.id)
        for role in Role:
            if RANK[mine] >= max(RANK[Role.ADMIN], RANK[role]):
                assert await platform.create_invite(bob, None, f"{mine}-{role}@example.com", role)
            else:
                with pytest.raises(Forbidden):
                    await platform.create_invite(bob, None, "eve@example.com", role)
        if mine is not Role.OWNER:
            for attempt in (
                platform.delete_invite(bob, None, owners_only.id),
                platform.resend_invite(bob, None, owners_only.id),
            ):
                with pytest.raises(Forbidden):
                    await attempt


async def test_the_answer_does_not_tell_whether_an_account_has_the_address(
    platform: PlatformService, others: FakeRooms
) -> None:
    made = await bakery(platform)

    known, unknown = await invited(platform, made), await invited(platform, made, email="nobody@example.com")

    assert (known.role, known.expires_at) == (unknown.role, unknown.expires_at)


@pytest.mark.parametrize("email", ["", "nobody", "a@b@c", "nul\0@example.com"])
async def test_only_email_addresses_are_invited(platform: PlatformService, email: str) -> None:
    made = await bakery(platform)

    with pytest.raises(InvalidInput):
        await invited(platform, made, email=email)


async def test_invitations_of_one_project_are_not_found_from_another(platform: PlatformService) -> None:
    made, theirs = await bakery(platform), await platform.create_project(EVE, "Mill")
    invite = await invited(platform, made)
    eve: Caller = await entering(platform, EVE, theirs.id)

    await not_found(platform.resend_invite(eve, None, invite.id))
    await not_found(platform.delete_invite(eve, None, invite.id))

    assert (await platform.invites(eve, None, 20, None)).items == ()
    assert await platform.accept_invite(BOB, token_of(invite))


async def test_pages_of_invitations_contain_each_once(platform: PlatformService) -> None:
    made = await bakery(platform)
    ids = [(await invited(platform, made, email=f"{number}@example.com")).id for number in range(3)]

    first = await platform.invites(at(made), None, 2, None)
    second = await platform.invites(at(made), None, 2, first.next)

    assert [one.id for one in (*first.items, *second.items)] == ids[::-1]
    assert second.next is None


async def test_the_list_names_the_members_who_sent_the_invitations(platform: PlatformService) -> None:
    made = await bakery(platform)
    await joined(platform, at(made), BOB, Role.ADMIN)
    sent = await invited(platform, made, email="eve@example.com")
    again = await platform.create_invite(await entering(platform, BOB, made.id), None, "fay@example.com", Role.VIEWER)
    await platform.remove_member(at(made), None, BOB_ID)

    listed = {one.id: (one.invited_by, one.inviter) for one in (await platform.invites(at(made), None, 20, None)).items}

    assert listed == {sent.id: ("usr_ada", "ada@example.com"), again.id: (BOB_ID, "")}
    assert (again.invited_by, again.inviter) == (BOB_ID, "bob@example.com")


async def test_the_number_of_open_invitations_has_a_limit(others: FakeRooms, here: Site) -> None:
    async with opened(MODULE, others.rooms(), here, settings=PlatformSettings(max_open_invites=2)) as platform:
        made = await bakery(platform)

        answers = await asyncio.gather(
            *(invited(platform, made, email=f"{number}@example.com") for number in range(5)), return_exceptions=True
        )

        assert sum(isinstance(one, InvalidInput) for one in answers) == 3
        assert len((await platform.invites(at(made), None, 20, None)).items) == 2


async def test_the_number_of_invitations_in_an_hour_has_a_limit_that_withdrawing_does_not_lift(
    others: FakeRooms, here: Site, clock: ManualClock
) -> None:
    async with opened(MODULE, others.rooms(), here, settings=PlatformSettings(max_invites_per_hour=3)) as platform:
        made, other = await bakery(platform), await platform.create_project(ADA, "Library")
        invite = await invited(platform, made)
        await platform.delete_invite(at(made), None, invite.id)
        again = await invited(platform, made)
        await platform.resend_invite(at(made), None, again.id)

        for attempt in (
            invited(platform, made),
            platform.resend_invite(at(made), None, again.id),
            invited(platform, other),  # The same person has sent all these invitations.
        ):
            with pytest.raises(RateLimited) as problem:
                await attempt
            assert 0 < problem.value.extra["retry_after_seconds"] <= 3600
        clock.advance(3600)
        assert await invited(platform, made)


async def test_invitations_wait_while_their_project_is_deleted(platform: PlatformService) -> None:
    made = await bakery(platform)
    token = token_of(await invited(platform, made))
    await platform.delete_project(at(made), "bakery")

    await refused(platform.accept_invite(BOB, token))
    await platform.restore_project(at(made))

    assert await platform.accept_invite(BOB, token)


async def test_an_accepted_invitation_to_an_organisation_is_remembered_for_its_account(
    platform: PlatformService,
) -> None:
    org = await platform.create_org(ADA, "Guild")
    token = token_of(await platform.create_invite(ADA, org.id, "eve@example.com", Role.ADMIN))

    first, second = await platform.accept_invite(EVE, token), await platform.accept_invite(EVE, token)

    assert second == msgspec.structs.replace(first, already_member=True)
    await platform.remove_member(ADA, org.id, EVE_ID)
    await refused(platform.accept_invite(EVE, token))
