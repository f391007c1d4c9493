"""Confirm and change the addresses of users by mail: `/v1/auth/verify-email` and `/v1/auth/email`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import post

from bunbase.contracts.bunauth.accounts import Accepted
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.mails import AddressConfirmed
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.http import Injected
from bunbase.pkg.openapi import SIGNED_IN_USER
from bunbase.pkg.sent_texts import Email

TAGS = ["End users"]


CaptchaToken = Annotated[str, msgspec.Meta(max_length=10_000)]


class GuardedAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`redirect_to`: the URL of the app to which the page of the mailed link leads back. It must be below one of the
    project's `redirect_urls`. `captcha`: the token of the widget, if the project has a captcha.
    """

    email: Email
    redirect_to: str = ""
    captcha: CaptchaToken = ""


class NewUserAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


class UserMailToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token`: the token of the link in the mail."""

    token: str


@post("/v1/auth/verify-email", summary="Send a link that confirms an address", tags=TAGS, status_code=202)
async def request_user_verification(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: GuardedAddress
) -> Accepted:
    """The response is the same for addresses with and without a user. The link is valid for 24 hours and works once."""
    await tenant_auth.request_user_verification(keyed, data.email, data.redirect_to, data.captcha)
    return Accepted()


@post("/v1/auth/verify-email/confirm", summary="Confirm an address", tags=TAGS, status_code=200)
async def confirm_user_email(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UserMailToken
) -> AddressConfirmed:
    """The token of the link works once, and only if the user still has this address."""
    return await tenant_auth.verify_user_email(keyed, data.token)


@post(
    "/v1/auth/email",
    summary="Change the address of the signed-in user",
    tags=TAGS,
    status_code=202,
    security=SIGNED_IN_USER,
)
async def request_user_email_change(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: NewUserAddress
) -> Accepted:
    """Needs recent reauthentication. BunBase sends a mail to both addresses, and both must confirm the change. If the
    old address was never verified, only the new address must confirm. The response does not reveal whether another user
    has the new address.
    """
    await tenant_auth.request_user_email_change(client, data.email)
    return Accepted()


@post("/v1/auth/email/confirm", summary="Confirm a change of address by a mail", tags=TAGS, status_code=200)
async def confirm_user_email_change(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UserMailToken
) -> AddressConfirmed:
    """`status` is `pending` until both addresses have confirmed the change, and then `changed`."""
    return await tenant_auth.confirm_user_email_change(keyed, data.token)


ROUTES = (request_user_verification, confirm_user_email, request_user_email_change, confirm_user_email_change)
