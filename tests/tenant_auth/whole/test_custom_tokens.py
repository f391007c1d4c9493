from __future__ import annotations

import asyncio
import base64
from collections import Counter
from typing import Any

import pytest

from bunbase.contracts.bunauth.problems import InvalidToken, TokenExpired
from bunbase.contracts.tenant_auth.problems import CustomTokenUsed, UserBanned, UserNotFound
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.jwt import BadToken
from bunbase.tenant_auth.jobs import upkeep_jobs
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings import TenantAuthSettings
from tests.fakes import FakeKms
from tests.rooms import secret_caller
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, claims_of, signed_up

SERVER = secret_caller(BAKERY)


async def test_a_custom_token_starts_a_session_with_its_claims(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await tenant_auth.create_user(SERVER, NewUser("eve@example.com", claims={"plan": "free"}))

    made = await tenant_auth.custom_token(SERVER, eve.id, {"device": "tv", "plan": "pro"})
    signed_in = await tenant_auth.login_with_custom_token(AT_BAKERY, made.token)
    refreshed = await tenant_auth.refresh(AT_BAKERY, signed_in.refresh_token)

    assert made.expires_in == 300
    assert (signed_in.user.id, signed_in.user.claims) == (eve.id, {"plan": "free"})
    for answer in (signed_in, refreshed):
        claims = await claims_of(tenant_auth, BAKERY, answer.access_token, lambda: clock.now().timestamp())
        assert (claims["sub"], claims["claims"]) == (eve.id, {"device": "tv", "plan": "free"})


async def test_a_custom_token_can_be_used_once(tenant_auth: TenantAuthService) -> None:
    eve = (await signed_up(tenant_auth)).user
    token = (await tenant_auth.custom_token(SERVER, eve.id, {})).token

    answers = await asyncio.gather(
        *(tenant_auth.login_with_custom_token(AT_BAKERY, token) for _ in range(6)), return_exceptions=True
    )

    assert Counter(type(answer) for answer in answers) == {UserSignedIn: 1, CustomTokenUsed: 5}
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM sessions") == 2


async def test_a_custom_token_expires_after_five_minutes(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    eve = (await signed_up(tenant_auth)).user
    token = (await tenant_auth.custom_token(SERVER, eve.id, {})).token
    clock.advance(300)

    with pytest.raises(TokenExpired):
        await tenant_auth.login_with_custom_token(AT_BAKERY, token)


async def test_custom_tokens_and_access_tokens_are_refused_in_place_of_each_other(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth)
    token = (await tenant_auth.custom_token(SERVER, new.user.id, {})).token

    with pytest.raises(BadToken):
        await claims_of(tenant_auth, BAKERY, token, lambda: clock.now().timestamp())
    for other in (new.access_token, new.refresh_token, ""):
        with pytest.raises(InvalidToken):
            await tenant_auth.login_with_custom_token(AT_BAKERY, other)


async def test_custom_tokens_of_another_project_are_refused(tenant_auth: TenantAuthService) -> None:
    eve = (await signed_up(tenant_auth)).user
    await signed_up(tenant_auth, AT_LIBRARY)
    token = (await tenant_auth.custom_token(SERVER, eve.id, {})).token

    with pytest.raises(InvalidToken):
        await tenant_auth.login_with_custom_token(AT_LIBRARY, token)

    assert await tenant_auth.login_with_custom_token(AT_BAKERY, token)


async def test_twenty_tokens_with_an_unknown_key_call_bunkms_once(tenant_auth: TenantAuthService, kms: FakeKms) -> None:
    eve = (await signed_up(tenant_auth)).user
    token = (await tenant_auth.custom_token(SERVER, eve.id, {})).token
    header = base64.urlsafe_b64encode(b'{"alg": "RS256", "kid": "another"}').decode().rstrip("=")
    invented = header + token[token.index(".") :]
    kms.calls.clear()

    for _ in range(20):
        with pytest.raises(InvalidToken):
            await tenant_auth.login_with_custom_token(AT_BAKERY, invented)

    assert kms.calls == ["public_keys"]
    assert await tenant_auth.login_with_custom_token(AT_BAKERY, token)


async def test_a_banned_or_deleted_user_cannot_sign_in_with_a_custom_token(tenant_auth: TenantAuthService) -> None:
    eve = (await signed_up(tenant_auth)).user
    tokens = [(await tenant_auth.custom_token(SERVER, eve.id, {})).token for _ in range(2)]
    await tenant_auth.update_user(SERVER, eve.id, UserChanges(banned=True))

    with pytest.raises(UserBanned):
        await tenant_auth.login_with_custom_token(AT_BAKERY, tokens[0])
    with pytest.raises(UserBanned):
        await tenant_auth.custom_token(SERVER, eve.id, {})
    await tenant_auth.delete_user(SERVER, eve.id)
    with pytest.raises(InvalidToken):
        await tenant_auth.login_with_custom_token(AT_BAKERY, tokens[1])
    with pytest.raises(UserNotFound):
        await tenant_auth.custom_token(SERVER, eve.id, {})


@pytest.mark.parametrize("claims", [{"sub": "usr_other"}, {"text": "x" * 1024}])
async def test_the_claims_of_a_custom_token_have_the_limits_of_user_claims(
    tenant_auth: TenantAuthService, claims: dict[str, Any]
) -> None:
    eve = (await signed_up(tenant_auth)).user

    with pytest.raises(InvalidInput):
        await tenant_auth.custom_token(SERVER, eve.id, claims)


async def test_a_token_with_the_largest_claims_and_email_is_still_accepted(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    most = {"text": "x" * (1024 - len('{"text":""}'))}
    address = "𠀀" * 16 + "@" + ".".join(["a" * 61] * 3) + ".com"
    eve = await tenant_auth.create_user(SERVER, NewUser(address, role="r" * 64, claims=most))
    others = {"more": most["text"]}

    made = await tenant_auth.custom_token(SERVER, eve.id, others)
    signed_in = await tenant_auth.login_with_custom_token(AT_BAKERY, made.token)

    claims = await claims_of(tenant_auth, BAKERY, signed_in.access_token, lambda: clock.now().timestamp())
    assert (claims["email"], claims["claims"]) == (address, others | most)


async def test_used_custom_tokens_are_deleted_long_after_their_expiry(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = (await signed_up(tenant_auth)).user
    token = (await tenant_auth.custom_token(SERVER, eve.id, {})).token
    await tenant_auth.login_with_custom_token(AT_BAKERY, token)

    upkeep, *_ = upkeep_jobs(tenant_auth.stores, TenantAuthSettings(), clock)
    await upkeep.work()
    with pytest.raises(CustomTokenUsed):
        await tenant_auth.login_with_custom_token(AT_BAKERY, token)
    clock.advance(2 * 86400)
    await upkeep.work()

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM used_custom_tokens") == 0
