from __future__ import annotations

import asyncio

import pytest

from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.store.mail_tokens import MailKind
from bunbase.contracts.bunauth.problems import LinkExpired, ReauthenticationRequired
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.store import INSTALLATION
from tests.bunauth.mailbox import kinds, link
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.pkg.identity.pools import assert_finds_links_by_index
from tests.pkg.waiting import until_true
from tests.rooms import ANYONE

ADA, NEW = "ada@example.com", "ada@new.example"
DAY = 86400
BLOCKS_ANOTHER = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"


async def test_the_link_of_the_first_mail_verifies_the_address_once(bunauth: BunAuthService) -> None:
    first = await registered(bunauth)
    token = await link(bunauth, ADA, "verify-email")
    assert not first.user.email_verified

    assert (await bunauth.verify_email(ANYONE, token)).status == "verified"

    assert (await bunauth.login(ANYONE, ADA, PASSWORD)).user.email_verified
    for used in (token, "bmt_unknown", ""):
        with pytest.raises(LinkExpired):
            await bunauth.verify_email(ANYONE, used)


async def test_a_link_expires_after_a_day(bunauth: BunAuthService, clock: ManualClock) -> None:
    await registered(bunauth)
    token = await link(bunauth, ADA, "verify-email")
    clock.advance(DAY)

    with pytest.raises(LinkExpired):
        await bunauth.verify_email(ANYONE, token)


async def test_only_an_account_with_an_unverified_address_gets_another_mail(bunauth: BunAuthService) -> None:
    await registered(bunauth)
    bunauth.mail_requests.nudge = lambda: None  # the job must not answer the first request before the second request
    await bunauth.request_email_verification(" ADA@example.com ")
    await bunauth.request_email_verification(ADA)
    await bunauth.mail_requests.answer_all()
    await bunauth.verify_email(ANYONE, await link(bunauth, ADA, "verify-email"))

    for email in (ADA, "nobody@example.com", "no address"):
        await bunauth.request_email_verification(email)
    await bunauth.mail_requests.answer_all()

    assert await kinds(bunauth, ADA) == ["verify_email", "verify_email"], "two requests at once make one mail"
    assert await kinds(bunauth, "nobody@example.com") == []


async def test_a_change_needs_the_consent_of_both_addresses_in_any_order(bunauth: BunAuthService) -> None:
    signed_in = await registered(bunauth)
    await bunauth.verify_email(ANYONE, await link(bunauth, ADA, "verify-email"))
    caller = await caller_with(bunauth, signed_in.access_token)
    await bunauth.request_email_change(caller, NEW)

    assert (await bunauth.confirm_email_change(ANYONE, await link(bunauth, NEW, "change-email"))).status == "pending"
    assert (await bunauth.me(caller)).email == ADA
    assert (await bunauth.confirm_email_change(ANYONE, await link(bunauth, ADA, "change-email"))).status == "changed"

    changed = await bunauth.login(ANYONE, NEW, PASSWORD)
    assert (changed.user.id, changed.user.email_verified) == (signed_in.user.id, True)
    assert (await kinds(bunauth, ADA))[-1] == "email_changed"


async def test_an_address_that_was_never_verified_is_not_asked(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    await bunauth.request_email_change(caller, NEW)

    assert (await bunauth.confirm_email_change(ANYONE, await link(bunauth, NEW, "change-email"))).status == "changed"

    assert (await bunauth.me(caller)).email == NEW


async def test_a_later_change_replaces_an_earlier_one(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    await bunauth.request_email_change(caller, "typo@new.example")
    mistaken = await link(bunauth, "typo@new.example", "change-email")

    await bunauth.request_email_change(caller, NEW)

    with pytest.raises(LinkExpired):
        await bunauth.confirm_email_change(ANYONE, mistaken)
    assert (await bunauth.confirm_email_change(ANYONE, await link(bunauth, NEW, "change-email"))).status == "changed"


async def test_the_answer_does_not_show_that_another_account_has_the_new_address(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    await registered(bunauth, "bob@example.com")
    await bunauth.request_email_change(caller, "bob@example.com")

    with pytest.raises(LinkExpired):  # Only the owner of the address can see this refusal.
        await bunauth.confirm_email_change(ANYONE, await link(bunauth, "bob@example.com", "change-email"))

    assert (await bunauth.me(caller)).email == ADA


async def test_of_two_accounts_that_change_to_one_address_at_once_only_one_gets_it(bunauth: BunAuthService) -> None:
    tokens = []
    for email in (ADA, "bob@example.com"):
        caller = await caller_with(bunauth, (await registered(bunauth, email)).access_token)
        await bunauth.request_email_change(caller, NEW)
        tokens.append(await link(bunauth, NEW, "change-email"))

    answers = await asyncio.gather(
        *(bunauth.confirm_email_change(ANYONE, one) for one in tokens), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in answers) == ["EmailConfirmed", "LinkExpired"]


async def test_a_change_needs_a_fresh_proof_and_another_address(bunauth: BunAuthService, clock: ManualClock) -> None:
    first = await registered(bunauth)
    caller = await caller_with(bunauth, first.access_token)
    for same in (ADA, " Ada@Example.com", "no address"):
        with pytest.raises(InvalidInput):
            await bunauth.request_email_change(caller, same)
    clock.advance(600)

    with pytest.raises(ReauthenticationRequired):
        await bunauth.request_email_change(caller, NEW)


async def test_two_accounts_that_want_the_address_of_each_other_do_not_deadlock(bunauth: BunAuthService) -> None:
    callers = []
    for email in (ADA, NEW):
        signed_in = await registered(bunauth, email)
        await bunauth.verify_email(ANYONE, await link(bunauth, email, "verify-email"))
        callers.append(await caller_with(bunauth, signed_in.access_token))
    ada, other = callers

    for _ in range(10):  # The loop raises DatabaseBusy after a deadlock.
        await asyncio.gather(bunauth.request_email_change(ada, NEW), bunauth.request_email_change(other, ADA))


@pytest.mark.parametrize("page", ["verify-email", "reset-password"])
async def test_a_link_that_is_used_while_another_act_ends_it_has_expired(bunauth: BunAuthService, page: str) -> None:
    """A deletion locks the account and then its links, in the same order as all other calls, to avoid deadlocks."""
    id, stores = (await registered(bunauth)).user.id, bunauth.stores
    await bunauth.request_password_reset(ADA)
    token, ended = await link(bunauth, ADA, page), asyncio.Event()

    async def use() -> None:
        await ended.wait()
        if page == "verify-email":
            await bunauth.verify_email(ANYONE, token)
        await bunauth.reset_password(ANYONE, token, PASSWORD)

    using = asyncio.create_task(use())
    async with stores.db.transaction():
        await stores.accounts.locked(id)
        ended.set()
        await until_true(lambda: stores.db.value(BLOCKS_ANOTHER))
        await stores.mail_tokens.forget_of_account(id, *MailKind)

    with pytest.raises(LinkExpired):
        await using


async def test_a_verified_address_is_asked_about_a_change_that_was_begun_before(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    await bunauth.request_email_change(caller, NEW)
    prepared = await link(bunauth, NEW, "change-email")

    await bunauth.verify_email(ANYONE, await link(bunauth, ADA, "verify-email"))

    with pytest.raises(LinkExpired):
        await bunauth.confirm_email_change(ANYONE, prepared)


async def test_the_links_of_an_address_are_found_by_an_index_among_many_others(bunauth: BunAuthService) -> None:
    await assert_finds_links_by_index(bunauth.stores.db, INSTALLATION)
