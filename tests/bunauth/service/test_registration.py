from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest
import pytest_asyncio

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings, Signups, VerifySignups
from bunbase.contracts.bunauth.accounts import NewAccount
from bunbase.contracts.bunauth.administration import AccountRole
from bunbase.contracts.bunauth.problems import (
    AccountInviteNotFound,
    InvalidInvite,
    LastAdministrator,
    LinkExpired,
    ReauthenticationRequired,
    SignupsClosed,
)
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, InvalidInput, Unauthenticated
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.modules import Rooms, Site
from tests.bunauth.mailbox import kinds, link
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE, opened

BOB = "bob@example.com"


@pytest_asyncio.fixture
async def verifying(rooms: Rooms, here: Site) -> AsyncIterator[BunAuthService]:
    """BunAuth where strangers must confirm their address, with one account: ada@example.com."""
    settings = BunAuthSettings(verify_signups=VerifySignups.ON)
    async with opened(MODULE, rooms, here, settings=settings) as service:
        await registered(service)
        yield service


async def test_the_answer_to_a_registration_is_the_same_for_a_new_and_a_known_address(
    verifying: BunAuthService,
) -> None:
    new = await verifying.register(ANYONE, NewAccount(BOB, PASSWORD, "Bob"))
    known = await verifying.register(ANYONE, NewAccount("ada@example.com", PASSWORD, "Ada"))

    assert new == known
    assert new.signed_in is None
    assert await kinds(verifying, BOB) == ["open_account"]
    assert (await kinds(verifying, "ada@example.com"))[-1] == "already_registered"


async def test_the_link_of_a_registration_opens_the_account_with_the_password_chosen_there(
    verifying: BunAuthService,
) -> None:
    await verifying.register(ANYONE, NewAccount(BOB, "chosen by a stranger", "Bob"))
    token = await link(verifying, BOB, "sign-up")

    bob = await verifying.confirm_signup(ANYONE, token, PASSWORD)

    assert (bob.user.email, bob.user.name, bob.user.email_verified, bob.user.role) == (BOB, "Bob", True, "user")
    assert (await verifying.login(ANYONE, BOB, PASSWORD)).user.id == bob.user.id
    with pytest.raises(LinkExpired):
        await verifying.confirm_signup(ANYONE, token, PASSWORD)


async def test_only_the_link_of_the_latest_mail_opens_an_account(verifying: BunAuthService) -> None:
    mails = verifying.stores.mails
    mails.settings = msgspec.structs.replace(mails.settings, max_of_a_kind=2)
    links = []
    for _ in range(3):
        await verifying.register(ANYONE, NewAccount(BOB, PASSWORD, "Bob"))
        links.append(await link(verifying, BOB, "sign-up"))

    assert links[1] == links[2], "the third mail is dropped"
    with pytest.raises(LinkExpired):
        await verifying.confirm_signup(ANYONE, links[0], PASSWORD)
    assert (await verifying.confirm_signup(ANYONE, links[1], PASSWORD)).user.email == BOB


@pytest.mark.parametrize(
    ("mode", "host", "verifies"),
    [("production", "smtp.example.com", True), ("production", "", False), ("dev", "smtp.example.com", False)],
)
def test_strangers_confirm_their_address_in_production_where_mail_can_be_sent(
    here: Site, mode: str, host: str, verifies: bool
) -> None:
    site = replace(here, mode=mode, mail=MailSettings(host=host))

    assert BunAuthSettings().verifies_signups(site.dev, site.mail.configured) is verifies


@pytest_asyncio.fixture
async def closed(rooms: Rooms, here: Site) -> AsyncIterator[BunAuthService]:
    async with opened(MODULE, rooms, here, settings=BunAuthSettings(signups=Signups.INVITE)) as service:
        yield service


async def token_of(bunauth: BunAuthService, email: str | None, role: str = "user") -> str:
    """Register the administrator, invite a person, and return the token in the link."""
    administrator = await caller_with(bunauth, (await registered(bunauth)).access_token)
    invite = await bunauth.create_invite(administrator, email, role)
    return (invite.url or "").partition("token=")[2]


async def test_a_person_who_was_invited_by_mail_registers_with_a_verified_address(closed: BunAuthService) -> None:
    await token_of(closed, " BOB@example.com")

    bob = await registered(closed, BOB, invite=await link(closed, BOB, "invite"))

    assert (bob.user.role, bob.user.email_verified) == ("user", True)


async def test_an_invitation_by_link_admits_any_address_and_leaves_it_unverified(closed: BunAuthService) -> None:
    bob = await registered(closed, BOB, invite=await token_of(closed, None, "admin"))

    assert (bob.user.role, bob.user.email_verified) == ("admin", False)
    assert await kinds(closed, BOB) == ["verify_email"]


async def test_an_invitation_admits_one_person_even_if_two_use_it_at_once(closed: BunAuthService) -> None:
    token = await token_of(closed, None)

    answers = await asyncio.gather(
        *(registered(closed, f"{n}@example.com", invite=token) for n in range(3)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in answers) == ["LinkExpired", "LinkExpired", "SignedIn"]
    assert await closed.stores.db.value("SELECT count(*) FROM users") == 2


async def test_invitations_for_others_expired_withdrawn_and_invented_ones_are_refused(
    closed: BunAuthService, clock: ManualClock
) -> None:
    token = await token_of(closed, BOB)
    with pytest.raises(InvalidInvite):
        await registered(closed, "eve@example.com", invite=token)
    for used in ("biv_invented", "nul\0"):
        with pytest.raises(LinkExpired):
            await registered(closed, BOB, invite=used)
    with pytest.raises(SignupsClosed):
        await registered(closed, BOB)
    clock.advance(7 * 86400)

    with pytest.raises(LinkExpired):
        await registered(closed, BOB, invite=token)


async def test_invitations_of_an_account_admit_nobody_while_it_is_no_active_administrator(
    closed: BunAuthService,
) -> None:
    bob = await registered(closed, BOB, invite=await token_of(closed, None, role="admin"))
    boss = await caller_with(closed, bob.access_token)
    ada = await caller_with(closed, (await closed.login(ANYONE, "ada@example.com", PASSWORD)).access_token)
    token = ((await closed.create_invite(ada, None, "admin")).url or "").partition("token=")[2]
    id = ada.signed_in().id

    async def is_refused() -> None:
        with pytest.raises(InvalidInvite):
            await closed.invitation(token)
        with pytest.raises(InvalidInvite):
            await registered(closed, "mallory@example.com", invite=token)

    await closed.set_account_role(boss, id, AccountRole.USER)
    await is_refused()
    await closed.set_account_role(boss, id, AccountRole.ADMIN)
    await closed.suspend_account(boss, id)
    await is_refused()
    await closed.resume_account(boss, id)
    assert (await registered(closed, "eve@example.com", invite=token)).user.role == "admin"


async def test_an_administrator_lists_and_withdraws_invitations(closed: BunAuthService) -> None:
    token = await token_of(closed, BOB)
    administrator = await caller_with(closed, (await closed.login(ANYONE, "ada@example.com", PASSWORD)).access_token)
    second = await closed.create_invite(administrator, None, "user")

    first_page = await closed.invites(administrator, 1, None)
    second_page = await closed.invites(administrator, 1, first_page.next)
    await closed.delete_invite(administrator, second_page.items[0].id)

    assert (first_page.items[0].id, first_page.items[0].url, second_page.next) == (second.id, None, None)
    assert first_page.items[0].inviter == "ada@example.com"
    with pytest.raises(LinkExpired):
        await registered(closed, BOB, invite=token)
    with pytest.raises(AccountInviteNotFound):
        await closed.delete_invite(administrator, second_page.items[0].id)


async def test_only_administrators_with_a_session_invite(closed: BunAuthService) -> None:
    user = await caller_with(closed, (await registered(closed, BOB, invite=await token_of(closed, None))).access_token)

    for refused in (closed.create_invite(user, None, "admin"), closed.invites(user, 20, None)):
        with pytest.raises(Forbidden):
            await refused


async def test_a_deleted_account_ends_with_its_sessions_and_tokens(bunauth: BunAuthService) -> None:
    await registered(bunauth)
    bob = await registered(bunauth, BOB)
    caller = await caller_with(bunauth, bob.access_token)
    token = (await bunauth.create_token(caller, "ci", ("read",), None)).token or ""

    await bunauth.delete_account(caller)

    assert (await kinds(bunauth, BOB))[-1] == "account_deleted"
    assert not (await bunauth.verify(bob.access_token)).valid
    assert not (await bunauth.verify(token)).valid
    with pytest.raises(Unauthenticated):
        await bunauth.me(caller)
    assert (await registered(bunauth, BOB)).user.id != bob.user.id


async def test_the_last_administrator_and_an_account_without_a_proof_are_not_deleted(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    first = await registered(bunauth)
    caller = await caller_with(bunauth, first.access_token)
    with pytest.raises(LastAdministrator):
        await bunauth.delete_account(caller)
    assert (await bunauth.verify(first.access_token)).valid
    clock.advance(600)

    with pytest.raises(ReauthenticationRequired):
        await bunauth.delete_account(caller)


async def test_a_registration_that_is_refused_uses_no_invitation_up(closed: BunAuthService) -> None:
    token = await token_of(closed, BOB)

    with pytest.raises(InvalidInput):
        await closed.register(ANYONE, NewAccount(BOB, "short", invite=token))

    assert (await registered(closed, BOB, invite=token)).user.email == BOB
