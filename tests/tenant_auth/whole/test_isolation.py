from __future__ import annotations

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Unauthenticated
from bunbase.pkg.jwt import BadToken, UnknownKey, Verifier
from bunbase.tenant_auth.service import TenantAuthService
from tests.tenant_auth.people import (
    AT_BAKERY,
    AT_LIBRARY,
    BAKERY,
    LIBRARY,
    PASSWORD,
    as_user,
    claims_of,
    signed_up,
)


async def test_the_same_email_in_two_projects_is_two_users(tenant_auth: TenantAuthService) -> None:
    baker = await signed_up(tenant_auth, AT_BAKERY)
    reader = await tenant_auth.signup(AT_LIBRARY, "eve@example.com", "another password", {})

    assert baker.user.id != reader.user.id
    assert (await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)).user == baker.user
    assert (await tenant_auth.login(AT_LIBRARY, "eve@example.com", "another password")).user == reader.user


async def test_an_access_token_is_refused_in_another_project(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    token = (await signed_up(tenant_auth, AT_BAKERY)).access_token
    await signed_up(tenant_auth, AT_LIBRARY)

    with pytest.raises(UnknownKey):
        await claims_of(tenant_auth, LIBRARY, token, lambda: clock.now().timestamp())
    home = Verifier((await tenant_auth.jwks(BAKERY)).keys, lambda: clock.now().timestamp())
    with pytest.raises(BadToken):  # right signing key, wrong audience
        home.claims(token, aud=LIBRARY)


async def test_a_refresh_token_is_refused_in_another_project(tenant_auth: TenantAuthService) -> None:
    token = (await signed_up(tenant_auth, AT_BAKERY)).refresh_token

    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_LIBRARY, token)

    assert await tenant_auth.refresh(AT_BAKERY, token)


async def test_a_user_cannot_read_change_or_sign_out_in_another_project(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth, AT_BAKERY, "eve@example.com", mine=True)
    at_home = await as_user(tenant_auth, AT_BAKERY, new.access_token, lambda: clock.now().timestamp())
    astray = msgspec.structs.replace(at_home, project=LIBRARY)
    assert at_home.user is not None

    with pytest.raises(Unauthenticated):
        await tenant_auth.me(astray)
    with pytest.raises(Unauthenticated):
        await tenant_auth.update_me(astray, {})
    await tenant_auth.logout(astray)

    assert not await tenant_auth.session_alive(LIBRARY, at_home.user.session, 0)
    assert await tenant_auth.session_alive(BAKERY, at_home.user.session, 0)
    assert (await tenant_auth.me(at_home)).data == {"mine": True}


async def test_dropping_a_project_deletes_its_users_sessions_and_tokens_only(
    tenant_auth: TenantAuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.pkg.db.database.DELETE_BATCH", 2)
    for number in range(5):
        await signed_up(tenant_auth, AT_BAKERY, f"baker{number}@example.com")
    reader = await signed_up(tenant_auth, AT_LIBRARY)

    await tenant_auth.drop_project(BAKERY)
    await tenant_auth.drop_project(BAKERY)

    for table in ("users", "sessions", "refresh_tokens"):
        assert await tenant_auth.stores.db.all(_Project, f"SELECT DISTINCT project FROM {table}") == [_Project(LIBRARY)]
    assert (await tenant_auth.refresh(AT_LIBRARY, reader.refresh_token)).user == reader.user


class _Project(msgspec.Struct, frozen=True):
    project: str
