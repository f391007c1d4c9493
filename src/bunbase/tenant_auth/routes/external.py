"""Sign in with another service: `/v1/auth/providers`, `/v1/auth/oauth` and `/v1/auth/identities`."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, delete, get, post
from litestar.params import PathParameter, QueryParameter
from litestar.response import Redirect

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.identities import PROVIDER_NAME, UserCodeExchange, UserLink
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.identity.external import ExternalAnswer, ExternalStart, Identities, LinkTicket, LoginProviders
from bunbase.pkg.identity.form_posts import repeated_answer
from bunbase.pkg.ids import ID
from bunbase.pkg.modules import Site
from bunbase.pkg.openapi import SIGNED_IN_USER
from bunbase.pkg.web_pages.serving import SHOWS_PAGES, at_public_host, new_cookie, sent_cookie
from bunbase.tenant_auth.routes.pages import PAGES

TAGS = ["End users"]
# All projects share the cookie. The cookie holds a secret of the browser. The project of a sign-in is stored with its
# state.
COOKIE: Final = "oauth"
COOKIE_SECONDS: Final = 600
MAX_CODE: Final = 2048

ProviderName = Annotated[str, PathParameter(pattern=PROVIDER_NAME)]
IdentityId = Annotated[str, PathParameter(pattern=ID)]
RedirectTo = Annotated[str, QueryParameter(max_length=500, description="An address of the app, which gets the code.")]
Challenge = Annotated[str, QueryParameter(max_length=128, description="The app's PKCE challenge (S256).")]
Link = Annotated[str, QueryParameter(max_length=128, description="A ticket; then the identity is linked.")]
State = Annotated[
    str, QueryParameter(name="state", max_length=MAX_CODE, description="Of the start; the provider sends it back.")
]
Sent = Annotated[str, QueryParameter(max_length=MAX_CODE, description="The provider sends it.")]


@get("/v1/auth/providers", summary="List the services by which users sign in", tags=TAGS)
async def list_user_providers(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> LoginProviders:
    """Returns the services in the project's setting `providers`."""
    return await tenant_auth.user_login_providers(keyed)


@get(
    "/v1/auth/oauth/{provider:str}/start",
    summary="Begin to sign a user in by another service",
    tags=TAGS,
    status_code=302,
    cache_control=NO_STORE,
    **SHOWS_PAGES,
)
async def start_user_login(
    keyed: Injected[Caller],
    tenant_auth: Injected[TenantAuth],
    site: Injected[Site],
    request: Request[Any, Any, Any],
    provider: ProviderName,
    redirect_to: RedirectTo,
    code_challenge: Challenge,
    link: Link = "",
) -> Redirect:
    """Redirect the user's browser to this URL, with the publishable key as `key`. After the sign-in, BunBase redirects
    the browser to `redirect_to` with `code` or with `error`. Exchange `code` together with the PKCE verifier for
    tokens. `error` is `access_denied`, `provider_error` or `external_login_expired`. The project's setting
    `redirect_urls` must allow `redirect_to`.
    """
    if (moved := at_public_host(request, site)) is not None:
        return moved
    start = ExternalStart(redirect_to, code_challenge, link, sent_cookie(request, COOKIE, site))
    with PAGES.shown_to_browsers(request):
        redirect = await tenant_auth.start_user_login(keyed, provider, start)
    cookie = new_cookie(COOKIE, redirect.browser, COOKIE_SECONDS, site)
    return Redirect(redirect.url, status_code=302, cookies=[cookie])


@get(
    "/v1/auth/oauth/{provider:str}/callback",
    summary="Receive the answer of another service",
    tags=TAGS,
    status_code=302,
    cache_control=NO_STORE,
    **SHOWS_PAGES,
)
async def finish_user_login(
    anyone: Injected[Caller],
    tenant_auth: Injected[TenantAuth],
    site: Injected[Site],
    request: Request[Any, Any, Any],
    provider: ProviderName,
    known_state: State = "",
    code: Sent = "",
    iss: Sent = "",
    error: Sent = "",
) -> Redirect:
    """The other service redirects the browser to this URL. Register this URL at the service as the redirect URI. The
    request needs no key, because BunBase has stored the project of the sign-in.
    """
    answer = ExternalAnswer(known_state, sent_cookie(request, COOKIE, site), code, iss, error)
    with PAGES.shown_to_browsers(request):
        redirect = await tenant_auth.finish_user_login(provider, answer)
    return Redirect(redirect.url, status_code=302, headers={"referrer-policy": "no-referrer"})


@post(
    "/v1/auth/oauth/{provider:str}/callback",
    status_code=303,
    cache_control=NO_STORE,
    include_in_schema=False,
    **SHOWS_PAGES,
)
async def repeat_user_login(
    anyone: Injected[Caller], request: Request[Any, Any, Any], body: bytes, provider: ProviderName
) -> Redirect:
    """Let the browser repeat an answer that a service has sent as a form (`response_mode=form_post`, as Apple does)."""
    path, content_type = f"/v1/auth/oauth/{provider}/callback", request.headers.get("content-type", "")
    with PAGES.shown_to_browsers(request):
        again = repeated_answer(path, content_type, body)
    return Redirect(again, status_code=303)


@post(
    "/v1/auth/oauth/exchange",
    summary="Trade the code of a sign-in for tokens",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def exchange_user_code(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UserCodeExchange
) -> UserSignedIn:
    """A code works once, for one minute. If a user has the verified email address, BunBase signs this user in;
    otherwise BunBase creates a user. If you send the access token of an anonymous user, BunBase adds the identity to
    the anonymous user, who keeps the same id.
    """
    return await tenant_auth.exchange_user_code(client, data)


@post(
    "/v1/auth/identities/link",
    summary="Begin to link another service to the user",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
    security=SIGNED_IN_USER,
)
async def create_user_link_ticket(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UserLink
) -> LinkTicket:
    """Needs recent reauthentication. Pass the ticket as the parameter `link` when you start the sign-in. The ticket is
    valid for five minutes.
    """
    return await tenant_auth.create_user_link_ticket(client, data.provider)


@get("/v1/auth/identities", summary="List the identities of the user", tags=TAGS, security=SIGNED_IN_USER)
async def list_user_identities(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> Identities:
    """Returns the identities at other services with which the user can sign in."""
    return await tenant_auth.user_identities(client)


@delete(
    "/v1/auth/identities/{identity_id:str}",
    summary="Remove an identity from the user",
    tags=TAGS,
    security=SIGNED_IN_USER,
)
async def delete_user_identity(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], identity_id: IdentityId
) -> None:
    """Needs recent reauthentication. You cannot remove the user's last way to sign in."""
    await tenant_auth.delete_user_identity(client, identity_id)


ROUTES = (
    list_user_providers,
    start_user_login,
    finish_user_login,
    repeat_user_login,
    exchange_user_code,
    create_user_link_ticket,
    list_user_identities,
    delete_user_identity,
)
