"""Verify and change the address of an account: `/api/auth/verify-email` and `/api/auth/email`."""

from __future__ import annotations

import msgspec
from litestar import post

from bunbase.bunauth.routes.accounts import EmailOnly
from bunbase.contracts.bunauth.accounts import Accepted, EmailConfirmed
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import Injected

TAGS = ["Developers"]


class TokenOnly(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token`: the token in the link of the mail."""

    token: str


@post("/api/auth/verify-email", summary="Ask for a mail that verifies your address", tags=TAGS, status_code=202)
async def request_verification(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: EmailOnly) -> Accepted:
    """The response and the response time are the same for addresses with and without an account."""
    await bunauth.request_email_verification(data.email)
    return Accepted()


@post("/api/auth/verify-email/confirm", summary="Verify an address by the link of a mail", tags=TAGS, status_code=200)
async def verify_email(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: TokenOnly) -> EmailConfirmed:
    return await bunauth.verify_email(anyone, data.token)


@post("/api/auth/email", summary="Change the address of your account", tags=TAGS, status_code=202)
async def request_change(developer: Injected[Caller], bunauth: Injected[BunAuth], data: EmailOnly) -> Accepted:
    """Needs recent reauthentication. BunBase sends a mail to both addresses, and both must confirm the change. If the
    old address was never verified, only the new address must confirm.
    """
    await bunauth.request_email_change(developer, data.email)
    return Accepted()


@post("/api/auth/email/confirm", summary="Confirm a change of address by a mail", tags=TAGS, status_code=200)
async def confirm_change(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: TokenOnly) -> EmailConfirmed:
    """`status` is `pending` until both addresses have confirmed the change, and then `changed`."""
    return await bunauth.confirm_email_change(anyone, data.token)


ROUTES = (request_verification, verify_email, request_change, confirm_change)
