"""The authenticator app of a user, the recovery codes, and the second step of a sign-in."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import PathParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.factors import EnrolledUser
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import USER_ID
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.identity.bodies import ChallengeAnswer, TotpCode
from bunbase.pkg.identity.factors import Code, NewTotp, RecoveryCodes, SecondFactor, TotpState
from bunbase.pkg.openapi import SIGNED_IN_USER

TAGS = ["End users"]

UserId = Annotated[str, PathParameter(pattern=USER_ID)]


class EnrolmentChallenge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The start of the set-up of a second factor during a sign-in.

    `challenge`: the challenge in the response `mfa_enrolment_required` to a sign-in.
    """

    challenge: str


class EnrolmentCode(EnrolmentChallenge, frozen=True, forbid_unknown_fields=True):
    code: Code


@post(
    "/v1/auth/login/second-factor",
    summary="End a user's sign-in with a second factor",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def user_second_factor(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: ChallengeAnswer
) -> UserSignedIn:
    """Use this after a sign-in with the response 401 `second_factor_required`. A challenge is valid for five minutes,
    works once, and allows five wrong codes. Each code works once.
    """
    return await tenant_auth.login_with_second_factor(keyed, data.challenge, SecondFactor(data.code, data.passkey))


@post(
    "/v1/auth/login/enrolment",
    summary="Set up a second factor that the app needs",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def start_user_enrolment(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: EnrolmentChallenge
) -> NewTotp:
    """Use this after a sign-in with the response 401 `mfa_enrolment_required`. The secret has no effect until you
    confirm it with its first code.
    """
    return await tenant_auth.start_enrolment(keyed, data.challenge)


@post(
    "/v1/auth/login/enrolment/confirm",
    summary="End a sign-in with a new second factor",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def confirm_user_enrolment(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: EnrolmentCode
) -> EnrolledUser:
    """Send the first code of the app. The response contains the tokens and ten recovery codes, which BunBase never
    shows again.
    """
    return await tenant_auth.confirm_enrolment(keyed, data.challenge, data.code)


@get("/v1/auth/totp", summary="See whether the user has a second factor", tags=TAGS, security=SIGNED_IN_USER)
async def get_user_totp(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> TotpState:
    return await tenant_auth.totp_state(client)


@post(
    "/v1/auth/totp",
    summary="Get a secret for a user's authenticator app",
    tags=TAGS,
    cache_control=NO_STORE,
    security=SIGNED_IN_USER,
)
async def start_user_totp(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> NewTotp:
    """Needs recent reauthentication. The new secret has no effect until you confirm it with its first code, within 15
    minutes. Until then, an authenticator app that the user already has keeps working.
    """
    return await tenant_auth.start_totp(client)


@post(
    "/v1/auth/totp/confirm",
    summary="Turn a user's second factor on",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
    security=SIGNED_IN_USER,
)
async def confirm_user_totp(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: TotpCode
) -> RecoveryCodes:
    """Send the first code of the app. The response contains ten recovery codes, which BunBase never shows again. The
    user's access tokens become invalid; the next refresh returns an access token with `aal` 2.
    """
    return await tenant_auth.confirm_totp(client, data.code)


@delete("/v1/auth/totp", summary="Turn a user's second factor off", tags=TAGS, security=SIGNED_IN_USER)
async def remove_user_totp(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> None:
    """Needs recent reauthentication. The recovery codes stop working too; passkeys still work."""
    await tenant_auth.remove_totp(client)


@post(
    "/v1/auth/recovery-codes",
    summary="Make new recovery codes for a user",
    tags=TAGS,
    cache_control=NO_STORE,
    security=SIGNED_IN_USER,
)
async def new_user_recovery_codes(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> RecoveryCodes:
    """Needs recent reauthentication. All earlier recovery codes stop working."""
    return await tenant_auth.new_recovery_codes(client)


@post(
    "/v1/auth/users/{user_id:str}/reset-factors",
    summary="Remove the factors of a user",
    tags=TAGS,
    status_code=204,
)
async def reset_user_factors(operator: Injected[Caller], tenant_auth: Injected[TenantAuth], user_id: UserId) -> None:
    """Removes the authenticator app, the recovery codes and all passkeys of a user who has lost them. BunBase tells the
    user by mail. Afterwards, the password alone is enough to sign in. So first make sure that the request really came
    from the user.
    """
    await tenant_auth.reset_user_factors(operator, user_id)


ROUTES = (
    user_second_factor,
    start_user_enrolment,
    confirm_user_enrolment,
    get_user_totp,
    start_user_totp,
    confirm_user_totp,
    remove_user_totp,
    new_user_recovery_codes,
    reset_user_factors,
)
