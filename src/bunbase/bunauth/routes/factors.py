"""The authenticator app of an account, its recovery codes, and the second step of a sign-in."""

from __future__ import annotations

from litestar import delete, get, post

from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.factors import NewTotp, RecoveryCodes, SecondFactor, TotpState
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.identity.bodies import ChallengeAnswer, TotpCode

TAGS = ["Developers"]


@post(
    "/api/auth/login/second-factor",
    summary="End a sign-in with a second factor",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def login_with_second_factor(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], data: ChallengeAnswer
) -> SignedIn:
    """Use this after a sign-in with the response 401 `second_factor_required`. A challenge is valid for five minutes,
    works once, and allows five wrong codes. Each code works once.
    """
    return await bunauth.login_with_second_factor(anyone, data.challenge, SecondFactor(data.code, data.passkey))


@get("/api/auth/totp", summary="See whether a second factor is on", tags=TAGS)
async def get_totp(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> TotpState:
    return await bunauth.totp_state(developer)


@post("/api/auth/totp", summary="Get a secret for an authenticator app", tags=TAGS, cache_control=NO_STORE)
async def start_totp(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> NewTotp:
    """Needs recent reauthentication. The new secret has no effect until you confirm it with its first code, within 15
    minutes. Until then, an authenticator app that you already use keeps working.
    """
    return await bunauth.start_totp(developer)


@post(
    "/api/auth/totp/confirm",
    summary="Turn the second factor on",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def confirm_totp(developer: Injected[Caller], bunauth: Injected[BunAuth], data: TotpCode) -> RecoveryCodes:
    """Send the first code of the app. The response contains ten recovery codes, which BunBase never shows again."""
    return await bunauth.confirm_totp(developer, data.code)


@delete("/api/auth/totp", summary="Turn the second factor off", tags=TAGS)
async def remove_totp(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> None:
    """Needs recent reauthentication. The recovery codes stop working too; passkeys still work."""
    await bunauth.remove_totp(developer)


@post("/api/auth/recovery-codes", summary="Make new recovery codes", tags=TAGS, cache_control=NO_STORE)
async def new_recovery_codes(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> RecoveryCodes:
    """Needs recent reauthentication. All earlier recovery codes stop working."""
    return await bunauth.new_recovery_codes(developer)


ROUTES = (login_with_second_factor, get_totp, start_totp, confirm_totp, remove_totp, new_recovery_codes)
