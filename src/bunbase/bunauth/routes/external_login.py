"""Sign in with another service: `/api/auth/providers`, `/api/auth/oauth` and `/api/auth/identities`."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, delete, get, post
from litestar.params import PathParameter, QueryParameter
from litestar.response import Redirect

from bunbase.bunauth.routes.pages import PAGES
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.identities import (
    CodeExchange,
    ExternalAnswer,
    ExternalStart,
    Identities,
    LinkTicket,
    LoginProviders,
)
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.identity.form_posts import repeated_answer
from bunbase.pkg.ids import ID
from bunbase.pkg.modules import Site
from bunbase.pkg.web_pages.serving import SHOWS_PAGES, at_public_host, new_cookie, sent_cookie

TAGS = ["Developers"]
COOKIE: Final = "account_oauth"
COOKIE_SECONDS: Final = 600
MAX_CODE: Final = 2048

ProviderName = Annotated[str, PathParameter(pattern="^[a-z0-9][a-z0-9-]{0,31}$")]
IdentityId = Annotated[str, PathParameter(pattern=ID)]
RedirectTo = Annotated[str, QueryParameter(max_length=500, description="The client's address, which gets the code.")]
Challenge = Annotated[str, QueryParameter(max_length=128, description="The client's PKCE challenge (S256).")]
Link = Annotated[str, QueryParameter(max_length=128, description="A ticket; then the identity is linked.")]
State = Annotated[
    str, QueryParameter(name="state", max_length=MAX_CODE, description="Of the start; the provider sends it back.")
]
Sent = Annotated[str, QueryParameter(max_length=MAX_CODE, description="The provider sends it.")]


@get("/api/auth/providers", summary="List the services to sign in by", tags=TAGS)
async def list_providers(anyone: Injected[Caller], bunauth: Injected[BunAuth]) -> LoginProviders:
    """The operator configures these services in the setting `bunauth.providers`."""
    return await bunauth.login_providers()


@get(
    "/api/auth/oauth/{provider:str}/start",
    summary="Begin to sign in by another service",
    tags=TAGS,
    status_code=302,
    cache_control=NO_STORE,
    **SHOWS_PAGES,
)
async def start_login(
    anyone: Injected[Caller],
    bunauth: Injected[BunAuth],
    site: Injected[Site],
    request: Request[Any, Any, Any],
    provider: ProviderName,
    redirect_to: RedirectTo,
    code_challenge: Challenge,
    link: Link = "",
) -> Redirect:
    """Open this URL in a browser. After the sign-in, BunBase redirects the browser to `redirect_to` with `code` or with
    `error`. Exchange `code` together with the PKCE verifier for tokens. `error` is `access_denied`, `provider_error` or
    `external_login_expired`. `redirect_to` is a URL of this installation that is not below `/v1`, or the URL
    `http://127.0.0.1:<port>/…` of a local program.
    """
    if (moved := at_public_host(request, site)) is not None:
        return moved
    browser = sent_cookie(request, COOKIE, site)
    with PAGES.shown_to_browsers(request):
        start = ExternalStart(redirect_to, code_challenge, link, browser)
        redirect = await bunauth.start_external_login(provider, start)
    cookie = new_cookie(COOKIE, redirect.browser, COOKIE_SECONDS, site)
    return Redirect(redirect.url, status_code=302, cookies=[cookie])


@get(
    "/api/auth/oauth/{provider:str}/callback",
    summary="Receive the answer of another service",
    tags=TAGS,
    status_code=302,
    cache_control=NO_STORE,
    **SHOWS_PAGES,
)
async def finish_login(
    anyone: Injected[Caller],
    bunauth: Injected[BunAuth],
    site: Injected[Site],
    request: Request[Any, Any, Any],
    provider: ProviderName,
    known_state: State = "",
    code: Sent = "",
    iss: Sent = "",
    error: Sent = "",
) -> Redirect:
    """The other service redirects the browser to this URL. Register this URL at the service as the redirect URI."""
    answer = ExternalAnswer(known_state, sent_cookie(request, COOKIE, site), code, iss, error)
    with PAGES.shown_to_browsers(request):
        redirect = await bunauth.finish_external_login(provider, answer)
    return Redirect(redirect.url, status_code=302, headers={"referrer-policy": "no-referrer"})


@post(
    "/api/auth/oauth/{provider:str}/callback",
    status_code=303,
    cache_control=NO_STORE,
    include_in_schema=False,
    **SHOWS_PAGES,
)
async def repeat_login(
    anyone: Injected[Caller], request: Request[Any, Any, Any], body: bytes, provider: ProviderName
) -> Redirect:
    """Let the browser repeat an answer that a service has sent as a form (`response_mode=form_post`, as Apple does)."""
    path, content_type = f"/api/auth/oauth/{provider}/callback", request.headers.get("content-type", "")
    with PAGES.shown_to_browsers(request):
        again = repeated_answer(path, content_type, body)
    return Redirect(again, status_code=303)


@post(
    "/api/auth/oauth/exchange",
    summary="Trade the code of a sign-in for tokens",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def exchange_code(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: CodeExchange) -> SignedIn:
    """A code works once, for one minute. If an account has the verified email address, BunBase signs the person in to
    this account. Otherwise BunBase opens an account, if the setting `signups` or an `invite` allows it.
    """
    return await bunauth.exchange_code(anyone, data)


@post(
    "/api/auth/identities/link/{provider:str}",
    summary="Begin to link another service to your account",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def create_link_ticket(
    developer: Injected[Caller], bunauth: Injected[BunAuth], provider: ProviderName
) -> LinkTicket:
    """Needs recent reauthentication. Pass the ticket as the parameter `link` when you start the sign-in. The ticket is
    valid for five minutes.
    """
    return await bunauth.create_link_ticket(developer, provider)


@get("/api/auth/identities", summary="List the identities that sign in to your account", tags=TAGS)
async def list_identities(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> Identities:
    return await bunauth.identities(developer)


@delete("/api/auth/identities/{identity_id:str}", summary="Remove an identity from your account", tags=TAGS)
async def delete_identity(developer: Injected[Caller], bunauth: Injected[BunAuth], identity_id: IdentityId) -> None:
    """Needs recent reauthentication. You cannot remove your last way to sign in."""
    await bunauth.delete_identity(developer, identity_id)


ROUTES = (
    list_providers,
    start_login,
    finish_login,
    repeat_login,
    exchange_code,
    create_link_ticket,
    list_identities,
    delete_identity,
)
