from __future__ import annotations

import pytest

from bunbase.contracts.bunauth.problems import InvalidToken, ReauthenticationRequired
from bunbase.contracts.tenant_auth.problems import UserNotFound
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Unauthenticated
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, LIBRARY, as_user, change_settings, without_password
from tests.tenant_auth.tables import rows

EVE = "eve@example.com"


async def test_a_user_deletes_the_account_with_everything_that_belongs_to_it(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    there = await tenant_auth.create_user(secret_caller(LIBRARY), NewUser(EVE))
    await tenant_auth.request_user_email_change(eve, "new@example.com")

    await tenant_auth.delete_me(eve)

    with pytest.raises(InvalidToken):
        await tenant_auth.delete_me(eve)
    with pytest.raises(UserNotFound):
        await tenant_auth.user(secret_caller(BAKERY), eve.end_user().uid)
    assert not await tenant_auth.session_alive(BAKERY, eve.end_user().session, 0)
    left = {table: text for table, text in (await rows(tenant_auth, BAKERY)).items() if text}
    assert left.keys() <= {"mails", "used_custom_tokens", "activity"}
    assert EVE not in left["activity"]
    assert (await tenant_auth.user(secret_caller(LIBRARY), there.id)).email == EVE


async def test_an_anonymous_user_who_can_prove_nothing_is_deleted_by_the_token_alone(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await change_settings(tenant_auth, anonymous={"enabled": True})
    opened = await tenant_auth.sign_in_anonymously(AT_BAKERY, {})
    visitor = await as_user(tenant_auth, AT_BAKERY, opened.access_token, clock.now().timestamp)
    clock.advance(600)

    await tenant_auth.delete_me(visitor)

    with pytest.raises(Unauthenticated):
        await tenant_auth.delete_me(visitor)


async def test_an_account_is_deleted_only_with_a_fresh_proof(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    clock.advance(600)

    with pytest.raises(ReauthenticationRequired):
        await tenant_auth.delete_me(eve)

    assert (await tenant_auth.me(eve)).email == EVE
