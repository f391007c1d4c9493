"""The OpenID Provider's pages: `/oauth/authorize`, `/oauth/consent` and the forms that these pages send."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode

from litestar import Response
from litestar.datastructures import Cookie
from litestar.params import PathParameter, QueryParameter
from litestar.response import Redirect

from bunbase.bunauth.pages import openid
from bunbase.bunauth.routes.page_sign_in import cookie_of_pass
from bunbase.contracts.bunauth.openid import SIGN_IN_COOKIE, ClientMistaken, PageKind, PageStep
from bunbase.contracts.bunauth.page_sign_in import NO_WAYS, ActPage, PageName, PageWays
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import Injected
from bunbase.pkg.ids import ID
from bunbase.pkg.modules import Site
from bunbase.pkg.web_pages.forms import MAX_FIELDS, read_form
from bunbase.pkg.web_pages.serving import AnyRequest, PageRoutes, fields_of, html, new_cookie, sent_cookie

COOKIE_SECONDS: Final = 12 * 3600
PRIVATE: Final = {"cache-control": "no-store", "referrer-policy": "no-referrer"}

Stored = Annotated[str, QueryParameter(name="request", max_length=100)]
ClientId = Annotated[str, PathParameter(pattern=ID)]
Next = Response[Any]

PAGES: Final = PageRoutes(openid.failed, "Go back to the application.")
shows, acts = PAGES.shows, PAGES.acts


@shows(openid.AUTHORIZE)
async def authorize(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Next:
    """The authorization endpoint."""
    sent = _parameters(request.scope["query_string"])
    return _answer(await bunauth.oauth_authorize(anyone, sent, _cookie(request, site)), site)


@acts(openid.AUTHORIZE)
async def post_authorize(anyone: Injected[Caller], request: AnyRequest) -> Next:
    """Redirect to the same request as a GET.

    A browser does not send the Lax cookie with a POST from another site, but sends it with the GET that follows.
    """
    sent = read_form(request.headers.get("content-type", ""), await request.body())
    return Redirect(f"{openid.AUTHORIZE}?{urlencode(sent)}", status_code=303, headers=PRIVATE)


@shows(openid.CONSENT)
async def show_consent(
    anyone: Injected[Caller],
    bunauth: Injected[BunAuth],
    site: Injected[Site],
    request: AnyRequest,
    stored: Stored = "",
) -> Next:
    step, ways = await bunauth.oauth_page(anyone, stored, _cookie(request, site)), NO_WAYS
    if step.kind is PageKind.SIGN_IN:
        ways = await bunauth.page_ways(ActPage(PageName.OAUTH, stored), cookie_of_pass(request, site))
    return _answer(step, site, ways)


@acts(openid.SIGN_IN)
async def sign_in(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Next:
    stored, email, password = await _fields(request, "request", "email", "password")
    return _answer(await bunauth.oauth_sign_in(anyone, stored, _cookie(request, site), email, password), site)


@acts(openid.SECOND_FACTOR)
async def sign_in_with_code(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Next:
    stored, challenge, code = await _fields(request, "request", "challenge", "code")
    return _answer(await bunauth.oauth_second_factor(anyone, stored, _cookie(request, site), challenge, code), site)


@acts(openid.CONTINUE)
async def sign_in_with_pass(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Next:
    (stored,) = await _fields(request, "request")
    cookies = (_cookie(request, site), cookie_of_pass(request, site))
    return _answer(await bunauth.oauth_continue(anyone, stored, *cookies), site)


@acts(openid.CONSENT + "/{client_id:str}")
async def allow(
    person: Injected[Caller],
    bunauth: Injected[BunAuth],
    site: Injected[Site],
    request: AnyRequest,
    client_id: ClientId,
) -> Next:
    (stored,) = await _fields(request, "request")
    return _answer(await bunauth.oauth_allow(person, stored, client_id), site)


@acts(openid.DENY)
async def deny(anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest) -> Next:
    (stored,) = await _fields(request, "request")
    return _answer(await bunauth.oauth_deny(stored, _cookie(request, site)), site)


@acts(openid.SIGN_OUT)
async def sign_out(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Next:
    (stored,) = await _fields(request, "request")
    return _answer(await bunauth.oauth_sign_out(stored, _cookie(request, site)), site)


async def _fields(request: AnyRequest, *names: str) -> list[str]:
    """Return fields of a form of one of these pages. Raises: Forbidden for forms of other sites, Malformed."""
    fields = await fields_of(request)
    return [fields.get(name, "") for name in names]


def _parameters(query: bytes) -> dict[str, str]:
    """Return the parameters of an authorization request. Raises: ClientMistaken."""
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise ClientMistaken("Its parameters could not be read. Tell the people who run it.") from None
    sent = dict(pairs)
    if len(sent) != len(pairs):
        raise ClientMistaken("It has sent a parameter twice. Tell the people who run it.")
    return sent


def _answer(step: PageStep, site: Site, ways: PageWays = NO_WAYS) -> Next:
    """Redirect the browser, or show a page."""
    match step.kind:
        case PageKind.REDIRECT:
            answer: Next = Redirect(step.location, status_code=303, headers=PRIVATE)
        case PageKind.CONTINUE:
            to = f"{openid.CONSENT}?{urlencode({'request': step.request})}"
            answer = Redirect(to, status_code=303, headers=PRIVATE)
        case PageKind.SIGN_IN:
            answer = html(openid.sign_in(step, ways), step.status, openid.headers_of(step.form_target))
        case PageKind.SECOND_FACTOR:
            answer = html(openid.second_factor(step), step.status, openid.headers_of(step.form_target))
        case PageKind.CONSENT:
            answer = html(openid.consent(step, site.public_url), step.status, openid.headers_of(step.form_target))
    if step.browser:
        answer.cookies.append(_new_cookie(step.browser, site))
    return answer


def _cookie(request: AnyRequest, site: Site) -> str:
    return sent_cookie(request, SIGN_IN_COOKIE, site)


def _new_cookie(value: str, site: Site) -> Cookie:
    return new_cookie(SIGN_IN_COOKIE, value, COOKIE_SECONDS, site)


ROUTES: Final = (
    authorize,
    post_authorize,
    show_consent,
    sign_in,
    sign_in_with_code,
    sign_in_with_pass,
    allow,
    deny,
    sign_out,
)
