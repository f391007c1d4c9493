"""Users with second factors for tests."""

from __future__ import annotations

from typing import Any, Final

import pytest

from bunbase.contracts.bunauth.problems import SecondFactorRequired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.clock import ManualClock
from bunbase.tenant_auth.service import TenantAuthService
from tests.authenticator import Authenticator
from tests.bunauth.factors import Phone
from tests.rooms import member_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, claims_of

EVE: Final = "eve@example.com"
APP: Final = "https://app.bakery.example"
OWNER: Final = member_caller(BAKERY)
SITE: Final = {"redirect_urls": [APP], "passkeys": {"rp_id": "bakery.example", "origins": [APP]}}


async def user_of(room: TenantAuth, signed_in: UserSignedIn, clock: ManualClock, caller: Caller = AT_BAKERY) -> Caller:
    return await as_user(room, caller, signed_in.access_token, clock.now().timestamp)


async def with_totp(room: TenantAuth, user: Caller, clock: ManualClock) -> tuple[Phone, tuple[str, ...]]:
    """Turn the second factor on. Return the phone and the recovery codes. The phone's next code is not used yet."""
    phone = Phone((await room.start_totp(user)).secret, clock)
    codes = (await room.confirm_totp(user, phone.code())).recovery_codes
    clock.advance(30)
    return phone, codes


async def challenged(room: TenantAuth, email: str = EVE) -> str:
    """Sign in with the password, and return the challenge of the answer."""
    with pytest.raises(SecondFactorRequired) as asked:
        await room.login(AT_BAKERY, email, PASSWORD)
    challenge: str = asked.value.extra["challenge"]
    return challenge


async def with_passkey(
    room: TenantAuth, user: Caller, name: str = "laptop", flags: int = 0
) -> tuple[Authenticator, str]:
    """Register a passkey of the app. Return its authenticator and its id."""
    authenticator = Authenticator(APP, flags=flags)
    made = authenticator.create((await room.passkey_options(user)).public_key)
    return authenticator, (await room.register_passkey(user, made, name)).id


async def stored_checks(room: TenantAuthService, token: str, clock: ManualClock) -> tuple[int, list[str]]:
    """Return `aal` and `amr` of the session of an access token."""
    sid = (await claims_of(room, BAKERY, token, clock.now().timestamp))["sid"]
    aal: int = await room.stores.db.value("SELECT aal FROM sessions WHERE id = $1", sid)
    return aal, await room.stores.db.value("SELECT amr FROM sessions WHERE id = $1", sid)


async def choose(room: TenantAuth, **patch: Any) -> None:
    """Change the settings of the bakery."""
    await room.change_project_auth(OWNER, patch, None)
