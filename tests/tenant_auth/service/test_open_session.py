from __future__ import annotations

from typing import Any

import pytest

from bunbase.contracts.bunauth.problems import SecondFactorRequired
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden
from bunbase.tenant_auth.access_tokens import Subject
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.service.open_session import Also, nothing
from bunbase.tenant_auth.sign_in_methods import PASSWORD as BY_PASSWORD
from tests.rooms import secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, change_settings, claims_of, signed_up

SERVER = secret_caller(BAKERY)


async def test_a_user_with_a_second_factor_gets_a_challenge_instead_of_a_session(
    tenant_auth: TenantAuthService,
) -> None:
    eve = (await signed_up(tenant_auth)).user
    db = tenant_auth.stores.db
    await db.execute("INSERT INTO totp (project, user_id, sealed) VALUES ($1, $2, 'sealed')", BAKERY, eve.id)
    before = await db.value("SELECT count(*) FROM sessions")

    with pytest.raises(SecondFactorRequired) as asked:
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)

    assert asked.value.extra["methods"] == ["totp"]
    assert await db.value("SELECT count(*) FROM sign_in_challenges") == 1
    assert await db.value("SELECT count(*) FROM sessions") == before
    custom = (await tenant_auth.custom_token(SERVER, eve.id, {})).token
    assert await tenant_auth.login_with_custom_token(AT_BAKERY, custom), "the project's server vouches for the user"


async def test_claims_of_the_hook_are_in_the_tokens_of_the_session_and_no_transaction_is_open_meanwhile(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = (await signed_up(tenant_auth)).user
    asked: list[Any] = []

    async def hook(pool: Pool, subject: Subject, reason: str) -> dict[str, Any]:
        asked.append((pool.project, subject.user.id, subject.method, reason))
        if len(asked) == 1:  # A lock would make this change wait forever.
            await tenant_auth.update_user(SERVER, eve.id, UserChanges(role="editor"))
        return {"plan": "pro"}

    tenant_auth.tokens.before_token = hook

    signed_in = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    refreshed = await tenant_auth.refresh(AT_BAKERY, signed_in.refresh_token)

    sign_in = (BAKERY, eve.id, BY_PASSWORD, "sign_in")
    assert asked[:2] == [sign_in] * 2, "the user was changed meanwhile, so it was asked again"
    assert asked[2:] == [(BAKERY, eve.id, BY_PASSWORD, "refresh")], "a refresh asks for the claims of today"
    for answer in (signed_in, refreshed):
        claims = await claims_of(tenant_auth, BAKERY, answer.access_token, clock.now().timestamp)
        assert (claims["role"], claims["claims"]) == ("editor", {"plan": "pro"})


async def test_a_sign_up_uses_one_version_of_the_settings_even_if_they_change_meanwhile(
    tenant_auth: TenantAuthService,
) -> None:
    used: list[Pool] = []

    async def hook(pool: Pool, *_: Any) -> dict[str, Any]:
        used.append(pool)
        await change_settings(tenant_auth, sessions={"max_per_user": 9})
        return {}

    async def keep(pool: Pool, _signed_in: UserSignedIn, _session: str) -> Also:
        used.append(pool)
        return nothing

    tenant_auth.tokens.before_token = hook
    tenant_auth.opening.keep = keep

    await signed_up(tenant_auth)

    of_tokens, of_session = used
    assert of_tokens is of_session


async def test_a_refusal_of_the_hook_opens_no_session_and_stores_no_user(tenant_auth: TenantAuthService) -> None:
    async def hook(*_: Any) -> dict[str, Any]:
        raise Forbidden("Not today.")

    tenant_auth.tokens.before_token = hook

    with pytest.raises(Forbidden):
        await signed_up(tenant_auth)

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM users") == 0
