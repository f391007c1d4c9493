"""Routes for end users: sign up, sign in, sign out, and read and change the user's own profile."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.datastructures import CacheControlHeader
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from bunbase.contracts.bunauth.accounts import SignupPending
from bunbase.contracts.bunauth.tokens import Jwks
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.signups import SignupDetails
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.ids import ID
from bunbase.pkg.languages import is_language
from bunbase.pkg.modules import Site
from bunbase.pkg.openapi import SIGNED_IN_USER
from bunbase.pkg.sent_texts import Email, NewPassword
from bunbase.pkg.web_pages.serving import sent_cookie
from bunbase.tenant_auth.routes.mails import CaptchaToken

TAGS = ["End users"]
PUBLIC_FOR_A_WHILE: Final = CacheControlHeader(public=True, max_age=60)

ProjectId = Annotated[str, QueryParameter(pattern=ID)]


class Signup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data`: any JSON object of at most 16 KiB; the user may change it later. `language`: the language that the user
    reads, such as `de`; if empty, the language that the browser prefers (`Accept-Language`). `captcha`: the token of
    the widget, if the project has a captcha. `name`: the name of the person. `redirect_to`: the URL of the app to which
    the page of the mailed link leads back. The URL must be below one of the project's `redirect_urls`.
    """

    email: Email
    password: NewPassword
    data: dict[str, Any] = {}
    captcha: CaptchaToken = ""
    language: str = ""
    name: str = ""
    redirect_to: str = ""


class AnonymousSignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sign-in without an address. `data` and `captcha` mean the same as in a sign-up."""

    data: dict[str, Any] = {}
    captcha: CaptchaToken = ""


class SignupConfirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token`: the token of the link in the mail."""

    token: str
    password: NewPassword


class UserLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`phone`: the phone number of a user, instead of `email`."""

    password: str
    email: str = ""
    phone: str = ""


class CustomTokenLogin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class UserRefresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`refresh_token`: the refresh token. With `?cookies=1`, you may leave it out, because the cookie contains it."""

    refresh_token: str = ""


class UpdateMe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The changes of the user's own profile. `data` replaces the whole object.

    `language`: the language of the user's mails and text messages, such as `de`; empty for none.
    `name`: the name of the person, at most 200 characters. Members that you leave out stay unchanged.
    """

    data: dict[str, Any] | None = None
    language: str | None = None
    name: str | None = None


class UserMe(msgspec.Struct, frozen=True):
    """`impersonated_by`: the id of the developer or key that uses the app in the user's place, or null."""

    user: User
    impersonated_by: str | None = None


@post(
    "/v1/auth/signup",
    summary="Sign an end user up",
    tags=TAGS,
    cache_control=NO_STORE,
    responses={
        201: ResponseSpec(UserSignedIn, description="The user exists and is signed in."),
        202: ResponseSpec(SignupPending, description="A mail was sent: its link creates the user."),
    },
)
async def user_signup(client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: Signup) -> Response[Any]:
    """If you send the access token of an anonymous user, BunBase adds the address and the password to the anonymous
    user, who keeps the same id.

    If the project requires people to confirm their address (`verify_emails`, `email_domains` or a closed
    `enumeration`), the response is 202. BunBase then sends a mail that tells the owner of the address what to do next.
    The person chooses the password on the page of the mailed link.

    If the email is taken, the response is 409, so a caller can find out which emails have an account. With
    `enumeration: "closed"`, the response is 202 for every email.
    """
    if is_language(data.language):
        client = msgspec.structs.replace(client, accept_language=data.language)
    details = SignupDetails(data.name, data.redirect_to)
    signed_in = await tenant_auth.signup(client, data.email, data.password, data.data, data.captcha, details)
    if signed_in is None:
        return Response(SignupPending(), status_code=202)
    return Response(signed_in)


@post(
    "/v1/auth/signup/confirm",
    summary="Create a user by the link of a mail",
    tags=TAGS,
    cache_control=NO_STORE,
)
async def confirm_user_signup(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: SignupConfirmation
) -> UserSignedIn:
    """Use this with the token of the link that BunBase mails after a sign-up with the response 202. Send the password
    of the new user.
    """
    return await tenant_auth.confirm_user_signup(keyed, data.token, data.password)


@post("/v1/auth/anonymous", summary="Sign in without an address", tags=TAGS, cache_control=NO_STORE)
async def anonymous_sign_in(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: AnonymousSignIn
) -> UserSignedIn:
    """Creates an anonymous user, if the setting `anonymous.enabled` of the project allows it. A later sign-up with the
    access token of this user makes the anonymous user an ordinary user with the same id.
    """
    return await tenant_auth.sign_in_anonymously(keyed, data.data, data.captcha)


@post("/v1/auth/login", summary="Sign an end user in", tags=TAGS, status_code=200, cache_control=NO_STORE)
async def user_login(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UserLogin) -> UserSignedIn:
    """The response and the response time are the same for a wrong password and for an unknown email or phone number.
    The response for a banned user is 403 `user_banned` only if the password is right.
    """
    if bool(data.email) == bool(data.phone):
        raise InvalidInput.at("/email", "Send either an email address or a phone number.")
    return await tenant_auth.login(keyed, data.email or data.phone, data.password)


@post(
    "/v1/auth/login/custom-token",
    summary="Sign in with a custom token",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def custom_token_login(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: CustomTokenLogin
) -> UserSignedIn:
    """The project's server makes the token with `POST /v1/auth/custom-token`. Each token signs a user in once."""
    return await tenant_auth.login_with_custom_token(keyed, data.token)


@post(
    "/v1/auth/refresh",
    summary="Trade a refresh token for a new pair",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def user_refresh(
    keyed: Injected[Caller],
    tenant_auth: Injected[TenantAuth],
    site: Injected[Site],
    request: Request[Any, Any, Any],
    data: UserRefresh,
) -> UserSignedIn:
    """The response may be lost, so you can send the same refresh token again.

    You get the same new pair until a token of the new pair has been used. If the access token of the new pair is no
    longer valid, because it has expired or the user was changed, you get a new access token with the same refresh
    token. After a token of the new pair has been used, a request with the old refresh token ends the session.
    """
    if data.refresh_token:
        return await tenant_auth.refresh(keyed, data.refresh_token)
    if request.query_params.get("cookies") != "1":
        raise InvalidInput.at("/refresh_token", "Send the refresh token, or ?cookies=1 with the cookie.")
    return await tenant_auth.refresh(keyed, sent_cookie(request, keyed.project, site))


@post("/v1/auth/logout", summary="End the session", tags=TAGS, status_code=204, security=SIGNED_IN_USER)
async def user_logout(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> None:
    """The session's access token stops working everywhere within a second."""
    await tenant_auth.logout(client)


@get("/v1/auth/me", summary="Get the signed-in user", tags=TAGS, security=SIGNED_IN_USER)
async def get_user_me(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> UserMe:
    return UserMe(await tenant_auth.me(client), client.end_user(impersonated=True).act or None)


@patch("/v1/auth/me", summary="Change the user's own data, language and name", tags=TAGS, security=SIGNED_IN_USER)
async def update_user_me(client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UpdateMe) -> UserMe:
    user = await tenant_auth.update_me(client, data.data, data.language, data.name)
    return UserMe(user, client.end_user(impersonated=True).act or None)


@delete("/v1/auth/me", summary="Delete the signed-in user", tags=TAGS, security=SIGNED_IN_USER)
async def delete_user_me(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> None:
    """Needs recent reauthentication. All sessions end within a second. BunBase keeps the user's documents, unless the
    setting `deletion` names them.
    """
    await tenant_auth.delete_me(client)


@get("/v1/auth/jwks.json", summary="Get a project's public keys", tags=TAGS, cache_control=PUBLIC_FOR_A_WHILE)
async def get_project_jwks(tenant_auth: Injected[TenantAuth], project: ProjectId) -> Jwks:
    """Returns the keys with which anyone can check the access tokens of the project's users (RFC 7517)."""
    return await tenant_auth.jwks(project)


ROUTES = (
    user_signup,
    anonymous_sign_in,
    confirm_user_signup,
    user_login,
    custom_token_login,
    user_refresh,
    user_logout,
    get_user_me,
    update_user_me,
    delete_user_me,
    get_project_jwks,
)
