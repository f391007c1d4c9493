"""Sign in without a password: `/v1/auth/code` and `/v1/auth/link`."""

from __future__ import annotations

import msgspec
from litestar import post

from bunbase.contracts.bunauth.accounts import Accepted
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.sent_texts import Email
from bunbase.tenant_auth.routes.mails import CaptchaToken, GuardedAddress, UserMailToken

TAGS = ["End users"]


class CodeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`captcha`: the token of the widget, if the project has a captcha."""

    email: Email
    captcha: CaptchaToken = ""


class CodeLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`code`: the code in the newest mail."""

    email: str
    code: str


@post("/v1/auth/code", summary="Send a sign-in code by mail", tags=TAGS, status_code=202)
async def request_user_code(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: CodeRequest) -> Accepted:
    """The response is the same for addresses with and without a user. The code has six digits, is valid for ten minutes
    and works once. Only the newest code of an address is valid. BunBase makes at most five codes an hour for an
    address.
    """
    await tenant_auth.request_user_code(keyed, data.email, data.captcha)
    return Accepted()


@post("/v1/auth/login/code", summary="Sign in with a code", tags=TAGS, status_code=200, cache_control=NO_STORE)
async def code_login(client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: CodeLogin) -> UserSignedIn:
    """The response to a wrong code is 401 `invalid_code`. After five wrong codes from one network, the code is no
    longer accepted from this network: request a new code. If you send the access token of an anonymous user, BunBase
    adds the address to the anonymous user, who keeps the same id.
    """
    return await tenant_auth.login_with_code(client, data.email, data.code)


@post("/v1/auth/link", summary="Send a sign-in link by mail", tags=TAGS, status_code=202)
async def request_user_link(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: GuardedAddress
) -> Accepted:
    """The response is the same for addresses with and without a user. The link is valid for ten minutes and works once.
    The link opens a page with a button that leads to `redirect_to?token=…`. Without `redirect_to`, the button leads to
    the first of the project's `redirect_urls`.
    """
    await tenant_auth.request_user_link(keyed, data.email, data.redirect_to, data.captcha)
    return Accepted()


@post("/v1/auth/login/link", summary="Sign in with a link", tags=TAGS, status_code=200, cache_control=NO_STORE)
async def link_login(client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UserMailToken) -> UserSignedIn:
    """`token`: when the page of the link opens your app, the URL contains this token as the parameter `token`.

    If you send the access token of an anonymous user, BunBase adds the address to the anonymous user, who keeps the
    same id.
    """
    return await tenant_auth.login_with_link(client, data.token)


ROUTES = (request_user_code, code_login, request_user_link, link_login)
