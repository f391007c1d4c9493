"""Transactions lock an account first, then its links and codes, and then its mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bunbase.contracts.tenant_auth.signups import NewUserInvite
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.store import Stores
from tests.pkg.waiting import until_true
from tests.rooms import secret_caller
from tests.tenant_auth.mailbox import kinds, mails
from tests.tenant_auth.people import AT_BAKERY, BAKERY, change_settings

EVE, INVITED = "eve@example.com", "guest@example.com"
APP = "https://bakery.example/app"
SERVER = secret_caller(BAKERY)
BLOCKS_ANOTHER = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"

Ask = Callable[[TenantAuthService], Awaitable[object]]
ASKING: dict[str, tuple[str, Ask]] = {
    "sign-in link": (EVE, lambda room: room.request_user_link(AT_BAKERY, EVE, APP)),
    "sign-in code": (EVE, lambda room: room.request_user_code(AT_BAKERY, EVE)),
    "new password": (EVE, lambda room: room.request_user_password_reset(AT_BAKERY, EVE, "")),
    "confirmation": (EVE, lambda room: room.request_user_verification(AT_BAKERY, EVE, "")),
    "invitation": (INVITED, lambda room: room.invite_user(SERVER, NewUserInvite(INVITED))),
}


async def use_what_was_sent(stores: Stores, email: str) -> None:
    """Lock the user, the links and the codes of an address, as an act does that uses a link or a code up."""
    person = await stores.users.by_email(BAKERY, email)
    if person is not None:
        await stores.users.locked(BAKERY, person.id)
    await stores.db.execute("UPDATE mail_tokens SET name = name WHERE project = $1 AND email = $2", BAKERY, email)
    await stores.db.execute("UPDATE sign_in_codes SET made = made WHERE project = $1 AND address = $2", BAKERY, email)


@pytest.mark.parametrize("sent", ASKING)
async def test_a_mail_that_is_asked_for_while_the_one_before_is_used_waits_and_is_sent(
    tenant_auth: TenantAuthService, sent: str
) -> None:
    """The use of the first mail posts a notice to the user.

    Both transactions want the mailbox and what was sent to it.
    """
    email, ask = ASKING[sent]
    stores, pool = tenant_auth.stores, await tenant_auth.pools.of(BAKERY)
    tenant_auth.mail_requests.nudge = lambda: None  # The test itself answers the requests.
    await change_settings(tenant_auth, redirect_urls=[APP])
    await tenant_auth.create_user(SERVER, NewUser(EVE))
    await ask(tenant_auth)
    await tenant_auth.mail_requests.answer_all()
    used = asyncio.Event()

    async def another() -> None:
        await used.wait()
        await ask(tenant_auth)
        await tenant_auth.mail_requests.answer_all()

    asking = asyncio.create_task(another())
    async with stores.db.transaction():
        await use_what_was_sent(stores, email)
        used.set()
        await until_true(lambda: stores.db.value(BLOCKS_ANOTHER))
        # A deadlock would end one of the two transactions.
        await stores.mails.post(pool.letters.password_changed(email))
    await asking

    await mails(tenant_auth, email)  # The job of the room may have answered before the test.
    found = await kinds(tenant_auth, email)
    assert len(found) == 3, found
