"""Sign in with a text message, and change the phone number: `/v1/auth/phone` and `/v1/auth/login/phone`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, post

from bunbase.contracts.bunauth.accounts import Accepted
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.openapi import SIGNED_IN_USER
from bunbase.tenant_auth.routes.mails import CaptchaToken
from bunbase.tenant_auth.routes.self_service import UserMe

TAGS = ["End users"]

# Only the OpenAPI document uses this pattern. `pkg/phones.py` checks numbers, and its message shows an example.
Phone = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 7})]


class PhoneNumberRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`phone`: the number with + and the country code. `language`: the language of the message, such as `de`;
    empty for the language that the browser prefers (`Accept-Language`).
    """

    phone: Phone
    language: str = ""


class PhoneCodeRequest(PhoneNumberRequest, frozen=True, forbid_unknown_fields=True):
    """`captcha`: the token of the widget, if the project has a captcha."""

    captcha: CaptchaToken = ""


class PhoneCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`code`: the code in the newest message."""

    phone: str
    code: str


@post("/v1/auth/phone", summary="Send a sign-in code by text message", tags=TAGS, status_code=202)
async def request_phone_code(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: PhoneCodeRequest
) -> Accepted:
    """The response is the same for numbers with and without a user. The code has six digits, is valid for ten minutes
    and works once. Only the newest code of a number is valid. BunBase makes at most five codes an hour for a number.

    The project needs the hook `send_sms` and the setting `phone.countries`; otherwise the response is 422
    `phone_not_configured`. The response to a number of another country is 422 `phone_not_allowed`.
    """
    await tenant_auth.request_phone_code(keyed, data.phone, data.language, data.captcha)
    return Accepted()


@post(
    "/v1/auth/login/phone",
    summary="Sign in with a code of a text message",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def phone_login(client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: PhoneCode) -> UserSignedIn:
    """The response to a wrong code is 401 `invalid_code`. After five wrong codes from one network, the code is no
    longer accepted from this network: request a new code. If you send the access token of an anonymous user, BunBase
    adds the number to the anonymous user, who keeps the same id.
    """
    return await tenant_auth.login_with_phone(client, data.phone, data.code)


@post(
    "/v1/auth/phone/change",
    summary="Change the phone number of the signed-in user",
    tags=TAGS,
    status_code=202,
    security=SIGNED_IN_USER,
)
async def request_phone_change(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: PhoneNumberRequest
) -> Accepted:
    """Needs recent reauthentication. BunBase sends a code to the new number. Only this user can use the code."""
    await tenant_auth.request_phone_change(client, data.phone, data.language)
    return Accepted()


@post(
    "/v1/auth/phone/change/confirm",
    summary="Confirm the new phone number",
    tags=TAGS,
    status_code=200,
    security=SIGNED_IN_USER,
)
async def confirm_phone_change(client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: PhoneCode) -> UserMe:
    """The user's access tokens become invalid, so refresh the session afterwards. If another user has the number, the
    response is 409 `phone_taken`.
    """
    return UserMe(await tenant_auth.confirm_phone_change(client, data.phone, data.code))


@delete(
    "/v1/auth/phone",
    summary="Remove the phone number of the signed-in user",
    tags=TAGS,
    status_code=200,
    security=SIGNED_IN_USER,
)
async def remove_phone(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> UserMe:
    """Needs recent reauthentication.

    If the number is the user's last way to sign in, the response is 409 `last_sign_in_method`.
    """
    return UserMe(await tenant_auth.remove_phone(client))


ROUTES = (request_phone_code, phone_login, request_phone_change, confirm_phone_change, remove_phone)
