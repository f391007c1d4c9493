from __future__ import annotations

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import InvalidToken, ReauthenticationRequired, WrongProof
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.identity.factors import Proof
from bunbase.pkg.identity.fresh_proofs import MAX_FAILED
from bunbase.pkg.identity.problems import LastSignInMethod
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, LIBRARY, PASSWORD, as_user, claims_of, signed_up


async def test_a_proof_lasts_ten_minutes_and_is_renewed_by_the_password(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    token = (await signed_up(tenant_auth)).access_token
    eve = await as_user(tenant_auth, AT_BAKERY, token, clock.now().timestamp)
    assert await tenant_auth.proofs.need_fresh(eve) == eve.user
    with pytest.raises(InvalidToken):
        await tenant_auth.proofs.need_fresh(msgspec.structs.replace(eve, project=LIBRARY))

    clock.advance(600)
    with pytest.raises(ReauthenticationRequired) as stale:
        await tenant_auth.proofs.need_fresh(eve)
    with pytest.raises(WrongProof):
        await tenant_auth.proofs.reauthenticate(eve, Proof("wrong horse battery"))
    await tenant_auth.proofs.reauthenticate(eve, Proof(PASSWORD))

    assert stale.value.extra["methods"] == ["password"]
    assert await tenant_auth.proofs.need_fresh(eve) == eve.user


async def test_a_proof_answers_with_a_new_access_token_and_the_refresh_token_stays(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    first = await signed_up(tenant_auth)
    second = await tenant_auth.refresh(AT_BAKERY, first.refresh_token)  # The answer to this refresh is lost.
    eve = await as_user(tenant_auth, AT_BAKERY, first.access_token, clock.now().timestamp)

    proved = await tenant_auth.reauthenticate(eve, Proof(PASSWORD))

    claims = await claims_of(tenant_auth, BAKERY, proved.access_token, clock.now().timestamp)
    assert (claims["sid"], claims["gen"]) == (eve.end_user().session, 0), "its use does not end the lost refresh token"
    assert (proved.aal, proved.amr, proved.expires_in) == (1, ("pwd",), first.expires_in)
    assert (await tenant_auth.refresh(AT_BAKERY, first.refresh_token)).refresh_token == second.refresh_token
    await tenant_auth.logout(eve)
    with pytest.raises(InvalidToken):
        await tenant_auth.reauthenticate(eve, Proof(PASSWORD))


async def test_too_many_wrong_proofs_end_the_session(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    server = secret_caller(BAKERY)
    made = await tenant_auth.create_user(server, NewUser("eve@example.com"))
    custom = (await tenant_auth.custom_token(server, made.id, {})).token
    token = (await tenant_auth.login_with_custom_token(AT_BAKERY, custom)).access_token
    eve = await as_user(tenant_auth, AT_BAKERY, token, clock.now().timestamp)

    for _ in range(MAX_FAILED):
        with pytest.raises(WrongProof):
            await tenant_auth.proofs.reauthenticate(eve, Proof(passkey={}))

    assert not await tenant_auth.session_alive(BAKERY, eve.end_user().session, 0)


async def test_a_user_with_a_password_has_a_way_in_and_a_user_without_one_has_none(
    tenant_auth: TenantAuthService,
) -> None:
    pool = await tenant_auth.pools.of(BAKERY)
    without = await tenant_auth.create_user(secret_caller(BAKERY), NewUser("bob@example.com"))

    await pool.need_way_in((await signed_up(tenant_auth)).user.id)

    with pytest.raises(LastSignInMethod):
        await pool.need_way_in(without.id)
