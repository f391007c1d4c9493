"""Accounts of invited people. Platform stores the invitations, and confirms that a person owns the mailbox."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import bunbase.bunauth.module
from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings, Signups
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.identities import ExternalAnswer
from bunbase.contracts.bunauth.newcomers import InvitedAccount
from bunbase.contracts.bunauth.page_sign_in import PASS_SECONDS, ActPage, PageName, PageReturn
from bunbase.contracts.bunauth.problems import ChallengeExpired, EmailTaken, LinkExpired, SignupsClosed
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms, Site
from bunbase.pkg.oidc.person import Person
from bunbase.pkg.oidc.settings import ProviderSettings
from tests.bunauth.external import FakeProvider, parameters
from tests.bunauth.mailbox import kinds, link
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE, opened

BOB = "bob@example.com"
PAGE = ActPage(PageName.INVITE, "binm_x")
PROVIDERS = {"example": ProviderSettings("bunbase", "secret", issuer="https://idp.example")}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    fake = FakeProvider()
    fake.person_there = Person("sub-bob", BOB, True, "Bob")
    monkeypatch.setattr(bunbase.bunauth.module, "open_provider", lambda *_: fake)
    return fake


@pytest_asyncio.fixture
async def bunauth(rooms: Rooms, here: Site, provider: FakeProvider) -> AsyncIterator[BunAuthService]:
    settings = BunAuthSettings(signups=Signups.INVITE, providers=PROVIDERS)
    async with opened(MODULE, rooms, here, settings=settings) as service:
        yield service


@pytest_asyncio.fixture
async def ada(bunauth: BunAuthService) -> SignedIn:
    return await registered(bunauth)


def invited(ada: SignedIn, email: str = BOB) -> InvitedAccount:
    return InvitedAccount(email, ada.user.id, "Bob", PASSWORD)


async def test_an_invited_person_gets_an_account_with_a_verified_address_and_no_rights(
    bunauth: BunAuthService, ada: SignedIn
) -> None:
    bob = await bunauth.open_invited(ANYONE, invited(ada))

    assert (bob.user.email, bob.user.name, bob.user.role, bob.user.email_verified) == (BOB, "Bob", "user", True)
    assert (await bunauth.verify(bob.access_token)).valid
    assert (await bunauth.login(ANYONE, BOB, PASSWORD)).user.id == bob.user.id


async def test_the_first_sign_in_after_an_invitation_page_in_the_same_browser_causes_no_mail(
    bunauth: BunAuthService, ada: SignedIn
) -> None:
    await bunauth.open_invited_on_page(ANYONE, invited(ada))

    await bunauth.login(ANYONE, BOB, PASSWORD)

    assert "new_sign_in" not in await kinds(bunauth, BOB)


async def test_of_ten_requests_at_once_one_opens_the_account(bunauth: BunAuthService, ada: SignedIn) -> None:
    answers = await asyncio.gather(
        *(bunauth.open_invited_on_page(ANYONE, invited(ada)) for _ in range(10)), return_exceptions=True
    )

    assert Counter(type(one).__name__ for one in answers) == {"Account": 1, EmailTaken.__name__: 9}


async def test_the_log_of_the_installation_says_who_invited_the_owner_of_a_new_account(
    bunauth: BunAuthService, ada: SignedIn
) -> None:
    bob = await bunauth.open_invited_on_page(ANYONE, invited(ada))
    by = await caller_with(bunauth, ada.access_token)
    link = str((await bunauth.create_invite(by, "eve@example.com", "user")).url)
    eve = await registered(bunauth, "eve@example.com", invite=link.rpartition("token=")[2])

    found = [one for one in await bunauth.unaudited_activity() if one.entry.action == Activity.OPEN.value]

    assert {(one.user, one.entry.target, one.entry.method) for one in found} == {
        (id, ada.user.id, ActivityMethod.REGISTRATION) for id in (bob.id, eve.user.id)
    }


@pytest.mark.parametrize(
    ("signups", "members_may", "of_administrators", "of_members"),
    [
        (Signups.OPEN, False, True, True),
        (Signups.INVITE, True, True, True),
        (Signups.INVITE, False, True, False),
        (Signups.CLOSED, True, False, False),
    ],
)
async def test_the_settings_decide_whose_invitations_open_accounts(
    rooms: Rooms, here: Site, signups: Signups, members_may: bool, of_administrators: bool, of_members: bool
) -> None:
    settings = BunAuthSettings(signups=Signups.OPEN)
    async with opened(MODULE, rooms, here, settings=settings) as open:
        ada, member = await registered(open), await registered(open, "eve@example.com")

    settings = BunAuthSettings(signups=signups, members_may_invite=members_may)
    async with opened(MODULE, rooms, here, settings=settings) as bunauth:
        for inviter, expected in ((ada, of_administrators), (member, of_members)):
            assert await bunauth.admits_newcomers(inviter.user.id) is expected
            if not expected:
                with pytest.raises(SignupsClosed):
                    await bunauth.open_invited(ANYONE, invited(inviter))


async def test_where_signups_are_closed_the_invitation_of_an_administrator_opens_no_account_either(
    rooms: Rooms, here: Site
) -> None:
    async with opened(MODULE, rooms, here, settings=BunAuthSettings(signups=Signups.CLOSED)) as bunauth:
        by = await caller_with(bunauth, (await registered(bunauth)).access_token)
        link = str((await bunauth.create_invite(by, None, "user")).url)

        with pytest.raises(SignupsClosed):
            await registered(bunauth, BOB, invite=link.rpartition("token=")[2])
        assert len((await bunauth.invites(by, 20, None)).items) == 1, "it works once the setting is changed"


async def test_a_suspended_or_deleted_inviter_admits_nobody(bunauth: BunAuthService, ada: SignedIn) -> None:
    eve = await bunauth.open_invited_on_page(ANYONE, invited(ada, "eve@example.com"))
    assert await bunauth.admits_newcomers(eve.id)

    await bunauth.suspend_account(await caller_with(bunauth, ada.access_token), eve.id)

    assert not await bunauth.admits_newcomers(eve.id)
    assert not await bunauth.admits_newcomers("usr_nobody")


async def returned(bunauth: BunAuthService, to: ActPage = PAGE) -> str:
    """Sign in with the provider from a page, and return the cookie that lets the person accept."""
    start = await bunauth.start_page_sign_in("example", to, "")
    state = parameters(start.url)["state"]
    answered = await bunauth.finish_external_login("example", ExternalAnswer(state, start.browser, "c"))
    finished = parameters(answered.url)
    back = PageReturn(finished["page"], start.browser, finished["code"])
    return (await bunauth.finish_page_sign_in(ANYONE, back)).cookie


async def test_a_person_of_another_service_opens_an_account_with_a_click_and_only_for_the_invited_address(
    bunauth: BunAuthService, ada: SignedIn, clock: ManualClock
) -> None:
    cookie = await returned(bunauth)
    shown = await bunauth.page_ways(PAGE, cookie)
    elsewhere = await bunauth.page_ways(ActPage(PageName.INVITE, "binm_y"), cookie)

    assert (shown.newcomer, shown.email, elsewhere.newcomer) == (BOB, "", "")
    assert not await bunauth.has_account(BOB), "the way back opens nothing"
    for to, email in ((ActPage(PageName.INVITE, "binm_y"), BOB), (PAGE, "eve@example.com")):
        with pytest.raises(ChallengeExpired):
            await bunauth.open_invited_by_pass(ANYONE, to, cookie, email, ada.user.id)

    bob = await bunauth.open_invited_by_pass(ANYONE, PAGE, cookie, BOB, ada.user.id)

    assert (bob.email, bob.email_verified, bob.name) == (BOB, True, "Bob")
    with pytest.raises(ChallengeExpired):
        await bunauth.open_invited_by_pass(ANYONE, PAGE, cookie, BOB, ada.user.id)
    assert (await bunauth.page_ways(PAGE, await returned(bunauth))).email == BOB, "from now on it is a sign-in"


async def test_a_pass_of_a_newcomer_ends_after_five_minutes_and_when_the_account_is_opened_in_another_way(
    bunauth: BunAuthService, ada: SignedIn, clock: ManualClock
) -> None:
    late, early = await returned(bunauth), await returned(bunauth)
    await bunauth.open_invited_on_page(ANYONE, invited(ada))

    with pytest.raises(ChallengeExpired):
        await bunauth.open_invited_by_pass(ANYONE, PAGE, early, BOB, ada.user.id)
    clock.advance(PASS_SECONDS + 1)
    assert (await bunauth.page_ways(PAGE, late)).newcomer == ""


async def test_other_pages_admit_no_person_without_an_account(bunauth: BunAuthService, ada: SignedIn) -> None:
    with pytest.raises(SignupsClosed):
        await returned(bunauth, ActPage(PageName.DEVICE, "ABCD-EFGH"))


async def test_only_the_mail_of_an_administrators_invitation_confirms_the_address(
    bunauth: BunAuthService, ada: SignedIn
) -> None:
    by = await caller_with(bunauth, ada.access_token)
    shown = str((await bunauth.create_invite(by, BOB, "user")).url).rpartition("token=")[2]
    mailed = await link(bunauth, BOB, "invite")
    await bunauth.create_invite(by, "eve@example.com", "user")

    bob = await registered(bunauth, BOB, invite=shown)
    eve = await registered(bunauth, "eve@example.com", invite=await link(bunauth, "eve@example.com", "invite"))

    assert (bob.user.email_verified, eve.user.email_verified) == (False, True)
    assert mailed != shown
    with pytest.raises(LinkExpired):  # both links end together
        await registered(bunauth, BOB, invite=mailed)
