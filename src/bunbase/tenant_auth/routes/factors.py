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
    """`challenge`: the challenge of a sign-in that was answered with `mfa_enrolment_required`."""

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
    """For a sign-in that was answered with 401 `second_factor_required`. A challenge lives for five minutes, works
    once, and allows five wrong answers. Each code works once."""
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
    """For a sign-in that was answered with 401 `mfa_enrolment_required`. The secret has no effect until its first code
    confirms it."""
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
    """Send the first code of the app. The answer has the tokens, and ten recovery codes, which are shown only here."""
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
    """Needs a fresh proof. The secret has no effect until its first code confirms it, within 15 minutes. An app that is
    in use stays in use until then."""
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
    """Send the first code of the app. The answer has ten recovery codes, which are shown only here. The access tokens
    of the user end; the next refresh returns one with `aal` 2."""
    return await tenant_auth.confirm_totp(client, data.code)


@delete("/v1/auth/totp", summary="Turn a user's second factor off", tags=TAGS, security=SIGNED_IN_USER)
async def remove_user_totp(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> None:
    """Needs a fresh proof. The recovery codes end too; passkeys stay."""
    await tenant_auth.remove_totp(client)


@post(
    "/v1/auth/recovery-codes",
    summary="Make new recovery codes for a user",
    tags=TAGS,
    cache_control=NO_STORE,
    security=SIGNED_IN_USER,
)
async def new_user_recovery_codes(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> RecoveryCodes:
    """Needs a fresh proof. All earlier recovery codes stop working."""
    return await tenant_auth.new_recovery_codes(client)


@post(
    "/v1/auth/users/{user_id:str}/reset-factors",
    summary="Remove the factors of a user",
    tags=TAGS,
    status_code=204,
)
async def reset_user_factors(operator: Injected[Caller], tenant_auth: Injected[TenantAuth], user_id: UserId) -> None:
    """For a user who has lost them: removes the authenticator app, the recovery codes and all passkeys. The user gets a
    mail about it, and then signs in with the password. First make sure that the right person asks."""
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
