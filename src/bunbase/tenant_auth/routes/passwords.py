"""Reset and change the passwords of users: `/v1/auth/password-reset` and `/v1/auth/password`."""

from __future__ import annotations

import msgspec
from litestar import post

from bunbase.contracts.bunauth.accounts import Accepted
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.http import Injected
from bunbase.pkg.openapi import SIGNED_IN_USER
from bunbase.pkg.sent_texts import NewPassword
from bunbase.tenant_auth.routes.mails import GuardedAddress

TAGS = ["End users"]


class NewUserPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token`: the token of the link in the mail."""

    token: str
    password: NewPassword


class UserPasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`current`: the current password. It may be null after recent reauthentication."""

    password: NewPassword
    current: str | None = None


@post("/v1/auth/password-reset", summary="Send a link that sets a new password", tags=TAGS, status_code=202)
async def request_user_password_reset(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: GuardedAddress
) -> Accepted:
    """The response is the same for addresses with and without a user. The link is valid for one hour and works once."""
    await tenant_auth.request_user_password_reset(keyed, data.email, data.redirect_to, data.captcha)
    return Accepted()


@post("/v1/auth/password-reset/confirm", summary="Set a new password by a link", tags=TAGS, status_code=204)
async def reset_user_password(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: NewUserPassword
) -> None:
    """Ends all sessions of the user, and also confirms the user's address."""
    await tenant_auth.reset_user_password(keyed, data.token, data.password)


@post(
    "/v1/auth/password",
    summary="Change the password of the signed-in user",
    tags=TAGS,
    status_code=204,
    security=SIGNED_IN_USER,
)
async def change_user_password(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UserPasswordChange
) -> None:
    """Needs the current password, or recent reauthentication. Ends all other sessions of the user. The access tokens
    become invalid too: exchange the refresh token for a new pair.
    """
    await tenant_auth.change_user_password(client, data.password, data.current)


ROUTES = (request_user_password_reset, reset_user_password, change_user_password)
