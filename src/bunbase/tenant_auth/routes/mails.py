"""Confirm the addresses of users by mail: `/v1/auth/verify-email`."""

from __future__ import annotations

import msgspec
from litestar import post

from bunbase.contracts.bunauth.accounts import Accepted
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.mails import AddressConfirmed
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.users import Email
from bunbase.pkg.http import Injected

TAGS = ["End users"]


class UserAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`redirect_to`: the address of the app to which the page behind the link leads back. It must be below one of the
    project's `redirect_urls`."""

    email: Email
    redirect_to: str = ""


class UserMailToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token`: of the link in the mail."""

    token: str


@post("/v1/auth/verify-email", summary="Send a link that confirms an address", tags=TAGS, status_code=202)
async def request_user_verification(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UserAddress
) -> Accepted:
    """The answer is the same whether or not the address has a user. The link is valid for 24 hours and works once."""
    await tenant_auth.request_user_verification(keyed, data.email, data.redirect_to)
    return Accepted()


@post("/v1/auth/verify-email/confirm", summary="Confirm an address", tags=TAGS, status_code=200)
async def confirm_user_email(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UserMailToken
) -> AddressConfirmed:
    """The token of the link works once, and only if the user still has this address."""
    return await tenant_auth.verify_user_email(keyed, data.token)


ROUTES = (request_user_verification, confirm_user_email)
