"""Sign in with another service on a page of the server: `/account/sign-in/…`."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response
from litestar.params import QueryParameter
from litestar.response import Redirect

from bunbase.bunauth.pages import ways
from bunbase.bunauth.routes.external_login import COOKIE, COOKIE_SECONDS, MAX_CODE, ProviderName
from bunbase.bunauth.routes.pages import acts, shows
from bunbase.contracts.bunauth.page_sign_in import (
    MAX_KEY,
    PASS_COOKIE,
    PASS_SECONDS,
    PASSKEY,
    RETURN,
    SECOND_FACTOR,
    START,
    ActPage,
    PageName,
    PagePass,
    PageReturn,
)
from bunbase.contracts.bunauth.problems import ChallengeExpired, WrongCode, WrongPasskey
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import InvalidInput, RateLimited
from bunbase.pkg.http import Injected
from bunbase.pkg.modules import Site
from bunbase.pkg.web_pages.serving import AnyRequest, check_same_origin, fields_of, html, new_cookie, sent_cookie

PRIVATE: Final = {"cache-control": "no-store", "referrer-policy": "no-referrer"}

Page = Annotated[str, QueryParameter(max_length=500)]
Key = Annotated[str, QueryParameter(max_length=MAX_KEY)]
Sent = Annotated[str, QueryParameter(max_length=MAX_CODE)]
Next = Response[Any]


@shows(START + "/{provider:str}")
async def start_on_page(
    anyone: Injected[Caller],
    bunauth: Injected[BunAuth],
    site: Injected[Site],
    request: AnyRequest,
    provider: ProviderName,
    page: Page = "",
    key: Key = "",
) -> Next:
    """Only links on BunBase's own pages can start a sign-in.

    Otherwise, an attacker's link could lead the person to an action that the attacker chose.
    """
    check_same_origin(request)
    redirect = await bunauth.start_page_sign_in(provider, _act_page(page, key), sent_cookie(request, COOKIE, site))
    cookies = [new_cookie(COOKIE, redirect.browser, COOKIE_SECONDS, site)]
    return Redirect(redirect.url, status_code=302, cookies=cookies, headers=PRIVATE)


@shows(RETURN)
async def return_to_page(
    anyone: Injected[Caller],
    bunauth: Injected[BunAuth],
    site: Injected[Site],
    request: AnyRequest,
    page: Page = "",
    code: Sent = "",
    error: Sent = "",
) -> Next:
    back = PageReturn(page, sent_cookie(request, COOKIE, site), code, error)
    return _answer(await bunauth.finish_page_sign_in(anyone, back), site)


@acts(SECOND_FACTOR)
async def second_factor_on_page(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Next:
    fields = await fields_of(request)
    to, challenge = _act_page(fields.get("page", ""), fields.get("key", "")), fields.get("challenge", "")
    try:
        return _answer(await bunauth.page_second_factor(anyone, to, challenge, fields.get("code", "")), site)
    except (WrongCode, RateLimited) as problem:
        return html(ways.wrong_code(to, challenge, problem.detail), problem.status, problem.headers())
    except ChallengeExpired as problem:
        return html(ways.wrong_code(to, "", problem.detail), problem.status)


@acts(PASSKEY)
async def passkey_on_page(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Next:
    fields = await fields_of(request)
    to = _act_page(fields.get("page", ""), fields.get("key", ""))
    try:
        credential = msgspec.json.decode(fields.get("credential", ""), type=dict[str, Any])
        return _answer(await bunauth.page_passkey(anyone, to, fields.get("challenge", ""), credential), site)
    except (msgspec.MsgspecError, RecursionError):
        raise InvalidInput("The answer of the browser could not be read. Open the page once more.") from None
    except (WrongPasskey, ChallengeExpired) as problem:
        return html(ways.wrong_code(to, "", problem.detail), problem.status)


def cookie_of_pass(request: AnyRequest, site: Site) -> str:
    return sent_cookie(request, PASS_COOKIE, site)


def _act_page(page: str, key: str) -> ActPage:
    """Return the page that the request names. Raises: InvalidInput."""
    if page not in set(PageName) or not 0 < len(key) <= MAX_KEY:
        raise InvalidInput("Open the page once more, and sign in there.")
    return ActPage(PageName(page), key)


def _answer(done: PagePass, site: Site) -> Next:
    """Send the browser back to its page, with the pass in a cookie."""
    if done.error:
        return html(ways.unfinished(done.to, done.error), 400)
    cookies = [new_cookie(PASS_COOKIE, done.cookie, PASS_SECONDS, site)]
    return Redirect(done.to.address, status_code=303, cookies=cookies, headers=PRIVATE)


ROUTES: Final = (start_on_page, return_to_page, second_factor_on_page, passkey_on_page)
