from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.administration import AccountNotFound, AccountRole, AccountSuspended
from bunbase.contracts.bunauth.problems import (
    InvalidCredentials,
    InvalidToken,
    LastAdministrator,
    ReauthenticationRequired,
)
from bunbase.contracts.caller import Caller, CallerKind, Developer
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, InvalidInput
from tests.bunauth.feeds import feed_of
from tests.bunauth.mailbox import kinds
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE

BOB = "bob@example.com"


async def two(bunauth: BunAuthService) -> tuple[Caller, Caller]:
    """Return the administrator Ada, and Bob."""
    return (
        await caller_with(bunauth, (await registered(bunauth)).access_token),
        await caller_with(bunauth, (await registered(bunauth, BOB)).access_token),
    )


def id_of(caller: Caller) -> str:
    return caller.signed_in().id


async def test_administrators_page_through_accounts_and_search_by_the_beginning_of_the_email(
    bunauth: BunAuthService,
) -> None:
    ada, _ = await two(bunauth)
    store = bunauth.stores.accounts
    await store.db.execute(
        "INSERT INTO users (id, email, name, role, created_at) "
        "SELECT 'usr_' || n, 'c%' || n || '@example.com', '', 'user', now() FROM generate_series(1, 3) AS n"
    )

    first = await bunauth.managed_accounts(ada, "", 2, None)
    second = await bunauth.managed_accounts(ada, "", 500, first.next)
    found = await bunauth.managed_accounts(ada, " C% ", 20, None)

    assert [one.email for one in first.items] == ["ada@example.com", BOB]
    assert [one.email for one in second.items] == [one.email for one in found.items]
    assert [one.email for one in found.items] == [f"c%{n}@example.com" for n in (1, 2, 3)]
    shown = first.items[0]
    assert (shown.role, shown.sessions, shown.tokens, shown.suspended_at) == (AccountRole.ADMIN, 1, 0, None)
    assert shown.last_used_at is not None


async def test_a_suspended_account_has_no_sessions_and_tokens_and_cannot_sign_in(bunauth: BunAuthService) -> None:
    ada, bob = await two(bunauth)
    token = await bunauth.create_token(bob, "ci", ("read",), None)
    signed_in = await bunauth.login(ANYONE, BOB, PASSWORD)

    async with feed_of(bunauth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY
        shown = await bunauth.suspend_account(ada, id_of(bob))
        told = {((news := await feed.next()).kind, news.id) for _ in range(3)}

    assert (shown.sessions, shown.tokens) == (0, 0)
    assert shown.suspended_at is not None
    assert (RevokedKind.TOKEN, token.id) in told
    assert sum(kind is RevokedKind.SESSION for kind, _ in told) == 2
    assert not (await bunauth.verify(signed_in.access_token)).valid
    assert not (await bunauth.verify(token.token or "")).valid
    with pytest.raises(InvalidToken):
        await bunauth.refresh(ANYONE, signed_in.refresh_token)
    with pytest.raises(AccountSuspended):
        await bunauth.login(ANYONE, BOB, PASSWORD)
    # A caller without the password does not learn that the account is suspended.
    with pytest.raises(InvalidCredentials):
        await bunauth.login(ANYONE, BOB, "wrong password")


async def test_a_resumed_account_signs_in_again(bunauth: BunAuthService) -> None:
    ada, bob = await two(bunauth)
    await bunauth.suspend_account(ada, id_of(bob))

    shown = await bunauth.resume_account(ada, id_of(bob))

    assert shown.suspended_at is None
    assert await bunauth.login(ANYONE, BOB, PASSWORD)
    await bunauth.resume_account(ada, id_of(bob))  # The second call changes nothing, and sends no further mail.
    assert (await kinds(bunauth, BOB))[-2:] == ["account_suspended", "account_resumed"]


async def test_no_sign_in_survives_a_suspension_at_the_same_time(bunauth: BunAuthService) -> None:
    ada, bob = await two(bunauth)
    logins = [bunauth.login(ANYONE, BOB, PASSWORD) for _ in range(4)]

    await asyncio.gather(*logins, bunauth.suspend_account(ada, id_of(bob)), return_exceptions=True)

    assert (await bunauth.managed_account(ada, id_of(bob))).sessions == 0


async def test_a_new_role_ends_the_sessions_reaches_personal_tokens_and_is_told_by_mail(
    bunauth: BunAuthService,
) -> None:
    ada, bob = await two(bunauth)
    token = await bunauth.create_token(bob, "ci", ("admin",), None)

    async with feed_of(bunauth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY
        shown = await bunauth.set_account_role(ada, id_of(bob), AccountRole.ADMIN)
        told = [(await feed.next()).kind for _ in range(2)]

    await bunauth.set_account_role(ada, id_of(bob), AccountRole.ADMIN)  # a repetition sends no mail

    assert (shown.role, shown.sessions) == (AccountRole.ADMIN, 0)
    assert (await kinds(bunauth, BOB)).count("role_changed") == 1
    assert told == [RevokedKind.SESSION, RevokedKind.ACCOUNT]
    assert (await bunauth.verify(token.token or "")).claims["role"] == "admin"
    assert (await bunauth.login(ANYONE, BOB, PASSWORD)).user.role == "admin"


async def test_the_last_active_administrator_stays(bunauth: BunAuthService) -> None:
    ada, bob = await two(bunauth)
    await bunauth.set_account_role(ada, id_of(bob), AccountRole.ADMIN)
    bob = await caller_with(bunauth, (await bunauth.login(ANYONE, BOB, PASSWORD)).access_token)

    answers = await asyncio.gather(
        bunauth.set_account_role(ada, id_of(ada), AccountRole.USER),
        bunauth.set_account_role(bob, id_of(bob), AccountRole.USER),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, LastAdministrator | InvalidToken) for answer in answers) == 1
    administrators = "SELECT count(*) FROM users WHERE role = 'admin' AND suspended_at IS NULL"
    assert await bunauth.stores.db.value(administrators) == 1


async def test_a_suspended_administrator_does_not_count_as_one(bunauth: BunAuthService) -> None:
    ada, bob = await two(bunauth)
    await bunauth.set_account_role(ada, id_of(bob), AccountRole.ADMIN)
    await bunauth.suspend_account(ada, id_of(bob))

    with pytest.raises(LastAdministrator):
        await bunauth.set_account_role(ada, id_of(ada), AccountRole.USER)
    with pytest.raises(InvalidInput):
        await bunauth.suspend_account(ada, id_of(ada))


async def test_a_change_needs_a_fresh_proof_or_a_token_with_the_scope_admin(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    ada, bob = await two(bunauth)
    clock.advance(700)

    with pytest.raises(ReauthenticationRequired):
        await bunauth.suspend_account(ada, id_of(bob))

    developer = msgspec.structs.replace(ada.signed_in(), session="", scopes=("admin",), token="tok_1")
    with_token = Caller(CallerKind.DEVELOPER, developer=developer)
    assert (await bunauth.suspend_account(with_token, id_of(bob))).suspended_at == clock.now()
    assert await bunauth.managed_accounts(ada, "", 20, None)  # reading needs no recent reauthentication


ACTS: dict[str, Callable[[BunAuthService, Caller, str], Awaitable[object]]] = {
    "list": lambda bunauth, caller, id: bunauth.managed_accounts(caller, "", 20, None),
    "get": lambda bunauth, caller, id: bunauth.managed_account(caller, id),
    "suspend": lambda bunauth, caller, id: bunauth.suspend_account(caller, id),
    "resume": lambda bunauth, caller, id: bunauth.resume_account(caller, id),
    "reset factors": lambda bunauth, caller, id: bunauth.remove_factors(caller, id),
    "set role": lambda bunauth, caller, id: bunauth.set_account_role(caller, id, AccountRole.USER),
}


async def test_only_administrators_administer_accounts(bunauth: BunAuthService) -> None:
    ada, bob = await two(bunauth)
    narrow = Developer(id_of(ada), "ada@example.com", admin=True, scopes=("read", "write"), token="tok_1")

    for act in ACTS.values():
        for caller in (bob, Caller(CallerKind.DEVELOPER, developer=narrow)):
            with pytest.raises(Forbidden):
                await act(bunauth, caller, id_of(ada))


async def test_an_unknown_account_is_not_found(bunauth: BunAuthService) -> None:
    ada, _ = await two(bunauth)

    for name, act in ACTS.items():
        if name != "list":
            for id in ("usr_unknown", "nul\0"):
                with pytest.raises(AccountNotFound):
                    await act(bunauth, ada, id)
