"""A user is changed while the same user signs in or refreshes a session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bunbase.contracts.bunauth.problems import InvalidCredentials, InvalidToken
from bunbase.contracts.bunkms import Signature
from bunbase.contracts.tenant_auth.problems import UserBanned, UserNotFound
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges, UserFilter
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Unauthenticated
from bunbase.tenant_auth.service import TenantAuthService
from tests.fakes import FakeKms
from tests.rooms import secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, LIBRARY, PASSWORD, claims_of, signed_up

SERVER, ELSEWHERE = secret_caller(BAKERY), secret_caller(LIBRARY)


EVERYONE = UserFilter()


class Overtaken(FakeKms):
    """A fake of BunKMS that calls `meanwhile` before it signs."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def sign(self, owner: str, message: bytes) -> Signature:
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            await happens()
        return await super().sign(owner, message)


@pytest.fixture
def overtaken(tenant_auth: TenantAuthService, kms: FakeKms) -> Overtaken:
    overtaken = Overtaken(kms.secret, lazy=False)
    overtaken.versions, overtaken.signing = kms.versions, kms.signing
    tenant_auth.access.kms = overtaken
    return overtaken


async def test_a_ban_during_a_sign_in_prevents_the_session(
    tenant_auth: TenantAuthService, overtaken: Overtaken
) -> None:
    eve = await tenant_auth.create_user(SERVER, NewUser("eve@example.com", PASSWORD))
    overtaken.meanwhile = lambda: tenant_auth.update_user(SERVER, eve.id, UserChanges(banned=True))

    with pytest.raises(UserBanned):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM sessions") == 0


async def test_a_deletion_during_a_sign_in_prevents_the_session(
    tenant_auth: TenantAuthService, overtaken: Overtaken
) -> None:
    eve = await tenant_auth.create_user(SERVER, NewUser("eve@example.com", PASSWORD))
    overtaken.meanwhile = lambda: tenant_auth.delete_user(SERVER, eve.id)

    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)


async def test_a_role_changed_during_a_sign_in_or_a_refresh_is_in_the_token(
    tenant_auth: TenantAuthService, overtaken: Overtaken, clock: ManualClock
) -> None:
    eve = await tenant_auth.create_user(SERVER, NewUser("eve@example.com", PASSWORD))

    overtaken.meanwhile = lambda: tenant_auth.update_user(SERVER, eve.id, UserChanges(role="editor"))
    signed_in = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    overtaken.meanwhile = lambda: tenant_auth.update_user(SERVER, eve.id, UserChanges(role="admin"))
    refreshed = await tenant_auth.refresh(AT_BAKERY, signed_in.refresh_token)

    for answer, role, version in ((signed_in, "editor", 1), (refreshed, "admin", 2)):
        claims = await _claims(tenant_auth, clock, answer.access_token)
        assert (answer.user.role, claims["role"], claims["ver"]) == (role, role, version)


async def test_a_retried_refresh_returns_an_access_token_with_the_current_role(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    first = await signed_up(tenant_auth)
    second = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    await tenant_auth.update_user(SERVER, first.user.id, UserChanges(role="editor"))

    retried = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)

    claims = await _claims(tenant_auth, clock, retried.access_token)
    assert (claims["role"], claims["ver"], retried.refresh_token) == ("editor", 1, second.refresh_token)
    assert await tenant_auth.session_alive(BAKERY, claims["sid"], claims["ver"])


async def test_a_ban_during_a_retried_refresh_prevents_the_token(
    tenant_auth: TenantAuthService, overtaken: Overtaken
) -> None:
    first = await signed_up(tenant_auth)
    await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    await tenant_auth.update_user(SERVER, first.user.id, UserChanges(role="editor"))
    overtaken.meanwhile = lambda: tenant_auth.update_user(SERVER, first.user.id, UserChanges(banned=True))

    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, first.refresh_token)


async def test_simultaneous_changes_refreshes_and_a_deletion_leave_no_refresh_token(
    tenant_auth: TenantAuthService,
) -> None:
    tokens = [(await signed_up(tenant_auth)).refresh_token]
    eve = (await tenant_auth.users(SERVER, EVERYONE, 1, None)).items[0]
    for _ in range(4):
        tokens.append((await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)).refresh_token)

    answers = await asyncio.gather(
        *(tenant_auth.refresh(AT_BAKERY, token) for token in tokens),
        *(tenant_auth.update_user(SERVER, eve.id, UserChanges(role=f"role{number}")) for number in range(5)),
        tenant_auth.delete_user(SERVER, eve.id),
        return_exceptions=True,
    )

    assert {type(answer) for answer in answers if isinstance(answer, Exception)} <= {
        *(InvalidToken, UserNotFound, Unauthenticated)
    }
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM refresh_tokens") == 0


async def _claims(room: TenantAuthService, clock: ManualClock, token: str) -> dict[str, Any]:
    return await claims_of(room, BAKERY, token, lambda: clock.now().timestamp())
