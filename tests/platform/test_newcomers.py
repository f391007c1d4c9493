"""People who are invited to a project or an organisation, and have no account yet."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextvars import Context
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from bunbase.contracts.audit import ALL_ENTRIES
from bunbase.contracts.bunauth.problems import ChallengeExpired, EmailTaken, SignupsClosed
from bunbase.contracts.caller import Role
from bunbase.contracts.invitations import InvitedSignIn
from bunbase.contracts.platform import AcceptedInvite, InviteNotFound, NewProject, Opening
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput, RateLimited
from bunbase.pkg.identity.problems import LinkExpired
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.modules import Site
from bunbase.platform.module import MODULE
from bunbase.platform.service import PlatformService
from tests.platform.fake_rooms import PASSWORD, FakeRooms
from tests.platform.people import ADA, BOB_ID, EVE, at, token_of
from tests.rooms import ANYONE, opened

NEWCOMER = "bob@example.com"


async def mailed(platform: PlatformService) -> str:
    """Return the token of the link in the newest mail to the newcomer."""
    mail = (await platform.dev_mails(NEWCOMER, "", 20, ""))[0]
    return str(re.findall(r"/invite\?token=(binm_\S+)", mail.text)[0])


@pytest_asyncio.fixture
async def made(platform: PlatformService) -> NewProject:
    return await platform.create_project(ADA, "Bakery")


@pytest_asyncio.fixture
async def shown(platform: PlatformService, made: NewProject) -> str:
    """Return the token of the link that the inviter passes on to the newcomer."""
    return token_of(await platform.create_invite(at(made), None, NEWCOMER, Role.DEVELOPER))


async def test_the_link_of_the_mail_opens_an_account_that_is_a_member_and_signed_in(
    platform: PlatformService, made: NewProject, shown: str
) -> None:
    token = await mailed(platform)
    assert (await platform.invitation(token)).opening is Opening.HERE

    done = (await platform.register_by_invite(ANYONE, token, "Bob", PASSWORD)).signed_in

    assert isinstance(done, InvitedSignIn)
    assert (done.user.email, done.access_token, done.joined.role) == (NEWCOMER, "access", Role.DEVELOPER)
    assert (await platform.membership(BOB_ID, made.id)).role is Role.DEVELOPER
    for used in (token, shown):
        with pytest.raises(LinkExpired, match="accepted already"):
            await platform.invitation(used)


async def test_the_newcomer_of_an_organisation_gets_the_role_in_the_organisation(platform: PlatformService) -> None:
    guild = await platform.create_org(ADA, "Guild")
    await platform.create_invite(ADA, guild.slug, NEWCOMER, Role.ADMIN)

    joined = await platform.open_account_by_invite(ANYONE, await mailed(platform), "Bob", PASSWORD)

    assert joined.org is not None
    assert (joined.org.id, joined.role) == (guild.id, Role.ADMIN)


async def test_the_log_says_that_the_account_was_opened_and_who_invited(
    platform: PlatformService, made: NewProject, shown: str
) -> None:
    await platform.open_account_by_invite(ANYONE, await mailed(platform), "Bob", PASSWORD)

    (entry,) = (await platform.audit(at(made), ALL_ENTRIES, 20, None)).items
    assert (entry.action, entry.actor.id, entry.after) == (
        "invite.accept",
        BOB_ID,
        {"role": "developer", "opened_account": True, "invited_by": "usr_ada", "inviter": "ada@example.com"},
    )


async def test_a_link_that_was_passed_on_opens_no_account_and_sends_a_mail_that_does(
    platform: PlatformService, others: FakeRooms, shown: str
) -> None:
    first = await mailed(platform)
    assert (await platform.invitation(shown)).opening is Opening.BY_MAIL

    sent = await platform.register_by_invite(ANYONE, shown, "Eve", PASSWORD)
    with pytest.raises(LinkExpired, match="use the link in the mail"):
        await platform.open_account_by_invite(ANYONE, shown, "Eve", PASSWORD)

    assert sent.signed_in is None
    assert others.bunauth.addresses == set()
    assert await platform.accept_invite(EVE, shown), "an account that is there may still use the link"
    with pytest.raises(LinkExpired):
        await platform.open_account_by_invite(ANYONE, first, "Bob", PASSWORD)


async def test_only_the_link_of_the_newest_mail_opens_an_account(platform: PlatformService, shown: str) -> None:
    first = await mailed(platform)
    await platform.send_invite_mail(shown)
    second = await mailed(platform)

    with pytest.raises(LinkExpired):
        await platform.open_account_by_invite(ANYONE, first, "Bob", PASSWORD)
    assert await platform.open_account_by_invite(ANYONE, second, "Bob", PASSWORD)


async def test_a_holder_of_a_link_learns_nothing_of_the_account_of_the_address(
    platform: PlatformService, others: FakeRooms, shown: str
) -> None:
    without = await platform.invitation(shown), await platform.register_by_invite(ANYONE, shown, "", "")
    others.bunauth.addresses.add(NEWCOMER)
    with_account = await platform.invitation(shown), await platform.register_by_invite(ANYONE, shown, "", "")

    assert with_account == without
    assert (await platform.invitation(await mailed(platform))).opening is Opening.HAS_ACCOUNT


async def test_mails_that_holders_of_a_link_ask_for_are_limited_for_each_invitation(
    platform: PlatformService, clock: ManualClock, shown: str
) -> None:
    for _ in range(5):
        await platform.send_invite_mail(shown)
    newest = await mailed(platform)

    with pytest.raises(RateLimited):
        await platform.send_invite_mail(shown)

    assert await mailed(platform) == newest
    assert (await platform.invitation(newest)).opening is Opening.HERE, "a refused request ends no link"
    clock.advance(timedelta(hours=1).total_seconds())
    await platform.send_invite_mail(shown)


async def test_the_link_of_the_last_mail_stays_valid_when_the_address_gets_no_further_mail(
    platform: PlatformService, made: NewProject
) -> None:
    """An address gets at most six mails of a kind within an hour."""
    invite = await platform.create_invite(at(made), None, NEWCOMER, Role.DEVELOPER)
    for _ in range(6):
        invite = await platform.resend_invite(at(made), None, invite.id)
    await platform.send_invite_mail(token_of(invite))
    assert len(await platform.dev_mails(NEWCOMER, "", 20, "")) == 6

    assert (await platform.invitation(await mailed(platform))).role is Role.DEVELOPER
    await platform.create_invite(at(made), None, NEWCOMER, Role.VIEWER)
    joined = await platform.open_account_by_invite(ANYONE, await mailed(platform), "Bob", PASSWORD)
    assert joined.role is Role.VIEWER, "the link belongs to the invitation that took the place of the first one"


@pytest.mark.parametrize("ended_by", ["resend", "delete", "expiry"])
async def test_both_links_end_together(
    platform: PlatformService, made: NewProject, clock: ManualClock, ended_by: str
) -> None:
    invite = await platform.create_invite(at(made), None, NEWCOMER, Role.VIEWER)
    tokens = token_of(invite), await mailed(platform)

    match ended_by:
        case "resend":
            await platform.resend_invite(at(made), None, invite.id)
        case "delete":
            await platform.delete_invite(at(made), None, invite.id)
        case _:
            clock.advance(timedelta(days=8).total_seconds())

    for token in tokens:
        with pytest.raises(LinkExpired):
            await platform.open_account_by_invite(ANYONE, token, "Bob", PASSWORD)
        with pytest.raises(LinkExpired):
            await platform.send_invite_mail(token)


async def test_of_ten_requests_at_once_one_opens_the_account(platform: PlatformService, shown: str) -> None:
    token = await mailed(platform)

    answers = await asyncio.gather(
        *(platform.open_account_by_invite(ANYONE, token, "Bob", PASSWORD) for _ in range(10)), return_exceptions=True
    )

    assert Counter(type(one) for one in answers) == {AcceptedInvite: 1, LinkExpired: 9}


async def test_many_requests_with_one_link_leave_the_database_to_others_while_bunauth_is_slow(
    platform: PlatformService, others: FakeRooms, shown: str
) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def hash_slowly() -> None:
        begun.set()
        await goes_on.wait()

    others.bunauth.opening, token = hash_slowly, await mailed(platform)
    acts = [platform.open_account_by_invite(ANYONE, token, "Bob", PASSWORD) for _ in range(40)]
    asked = [asyncio.create_task(act, context=Context()) for act in acts]
    await begun.wait()

    assert (await platform.projects(EVE, 10, None)).items == ()
    goes_on.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert Counter(type(one) for one in answers) == {AcceptedInvite: 1, LinkExpired: 39}


async def test_nobody_withdraws_or_uses_an_invitation_while_its_account_is_opened(
    platform: PlatformService, others: FakeRooms, made: NewProject
) -> None:
    invite = await platform.create_invite(at(made), None, NEWCOMER, Role.VIEWER)
    begun: list[asyncio.Task[object]] = []

    async def meanwhile() -> None:
        for act in (platform.delete_invite(at(made), None, invite.id), platform.accept_invite(EVE, token_of(invite))):
            # The act is a separate request, so it must run outside of this transaction.
            begun.append(asyncio.create_task(act, context=Context()))
        await asyncio.sleep(0)

    others.bunauth.opening = meanwhile
    await platform.open_account_by_invite(ANYONE, await mailed(platform), "Bob", PASSWORD)

    refused = await asyncio.gather(*begun, return_exceptions=True)
    assert [type(one) for one in refused] == [InviteNotFound, LinkExpired]
    assert (await platform.membership(BOB_ID, made.id)).role is Role.VIEWER


async def test_after_a_crash_between_the_account_and_the_membership_the_link_still_works(
    platform: PlatformService, others: FakeRooms, made: NewProject, shown: str
) -> None:
    token = await mailed(platform)

    async def die() -> None:
        raise ConnectionAbortedError

    others.bunauth.opening = die
    with pytest.raises(ConnectionAbortedError):
        await platform.open_account_by_invite(ANYONE, token, "Bob", PASSWORD)

    assert (await platform.invitation(token)).opening is Opening.HAS_ACCOUNT
    with pytest.raises(EmailTaken):
        await platform.open_account_by_invite(ANYONE, token, "Bob", PASSWORD)
    joined = await platform.accept_invite_by_password(ANYONE, token, NEWCOMER, PASSWORD)
    assert joined.role is Role.DEVELOPER


async def test_no_account_is_opened_for_an_invitation_that_nobody_can_accept(
    platform: PlatformService, others: FakeRooms, made: NewProject
) -> None:
    guild = await platform.create_org(ADA, "Guild")
    await platform.create_invite(ADA, guild.id, EVE.signed_in().email, Role.OWNER)
    eves = (await platform.dev_mails("eve@example.com", "", 20, ""))[0].text
    await platform.accept_invite(EVE, re.findall(r"token=(binm_\S+)", eves)[0])
    await platform.create_invite(EVE, guild.id, NEWCOMER, Role.ADMIN)
    await platform.change_member(ADA, guild.id, EVE.signed_in().id, Role.VIEWER)

    with pytest.raises(LinkExpired):
        await platform.open_account_by_invite(ANYONE, await mailed(platform), "Bob", PASSWORD)
    assert others.bunauth.addresses == set()


async def test_the_invitations_of_a_suspended_account_rest_until_it_is_resumed(
    platform: PlatformService, others: FakeRooms, shown: str
) -> None:
    token, inviter = await mailed(platform), ADA.signed_in().id
    others.bunauth.suspended.add(inviter)

    for refused in (
        platform.accept_invite(EVE, shown),
        platform.accept_invite_by_password(ANYONE, token, "eve@example.com", PASSWORD),
        platform.open_account_by_invite(ANYONE, token, "Bob", PASSWORD),
        platform.send_invite_mail(shown),
        platform.invitation(token),
    ):
        with pytest.raises(LinkExpired):
            await refused
    others.bunauth.suspended.clear()
    assert (await platform.accept_invite(EVE, shown)).role is Role.DEVELOPER


async def test_a_weak_password_opens_nothing_and_keeps_the_invitation(
    platform: PlatformService, others: FakeRooms, shown: str
) -> None:
    token = await mailed(platform)
    with pytest.raises(InvalidInput):
        await platform.open_account_by_invite(ANYONE, token, "Bob", "short")
    assert await platform.open_account_by_invite(ANYONE, token, "Bob", PASSWORD)


async def test_a_person_of_another_service_opens_an_account_only_for_the_invited_address(
    platform: PlatformService, made: NewProject, shown: str
) -> None:
    with pytest.raises(ChallengeExpired):
        await platform.open_account_by_pass(ANYONE, shown, "eve@example.com")

    joined = await platform.open_account_by_pass(ANYONE, shown, NEWCOMER)

    assert joined.project is not None
    assert joined.project.id == made.id


async def test_where_members_may_not_invite_newcomers_the_inviter_is_told_for_every_address_alike(
    platform: PlatformService, others: FakeRooms, made: NewProject
) -> None:
    others.bunauth.admits = False
    others.bunauth.addresses.add("eve@example.com")

    told = [
        (await platform.create_invite(at(made), None, email, Role.VIEWER)).admits_newcomers
        for email in (NEWCOMER, "eve@example.com")
    ]

    assert told == [False, False]
    token = await mailed(platform)
    assert (await platform.invitation(token)).opening is Opening.CLOSED
    with pytest.raises(SignupsClosed):
        await platform.send_invite_mail(token)


async def test_without_a_mail_server_a_link_that_was_passed_on_opens_nothing(others: FakeRooms, here: Site) -> None:
    async with opened(MODULE, others.rooms(), replace(here, mode="production", mail=MailSettings())) as platform:
        made = await platform.create_project(ADA, "Bakery")
        token = token_of(await platform.create_invite(at(made), None, NEWCOMER, Role.VIEWER))

        assert (await platform.invitation(token)).opening is Opening.CLOSED
        with pytest.raises(SignupsClosed):
            await platform.register_by_invite(ANYONE, token, "Bob", PASSWORD)
