"""The page that the link of an invitation opens: `/invite`. A GET shows a form; the POST of the form accepts it."""

from __future__ import annotations

from typing import Annotated, Final

from litestar.params import QueryParameter

from bunbase.contracts.bunauth.page_sign_in import PASS_COOKIE
from bunbase.contracts.bunauth.problems import (
    ChallengeExpired,
    InvalidCredentials,
    SecondFactorRequired,
    WrongCode,
)
from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import InviteNotFound, Platform
from bunbase.pkg.errors import RateLimited
from bunbase.pkg.http import Injected
from bunbase.pkg.modules import Site
from bunbase.pkg.web_pages.serving import AnyRequest, Html, PageRoutes, fields_of, html, sent_cookie
from bunbase.platform.pages import invites

MAX_LINK: Final = 300
PAGES: Final = PageRoutes(invites.failed)

Link = Annotated[str, QueryParameter(max_length=MAX_LINK)]


@PAGES.shows(invites.PATH)
async def show_invite(
    anyone: Injected[Caller],
    platform: Injected[Platform],
    site: Injected[Site],
    request: AnyRequest,
    token: Link = "",
) -> Html:
    given = _token_in(token)
    if not given:
        return html(invites.ask_for_link())
    return html(invites.accept(given, await platform.invitation(given, _pass(request, site))))


@PAGES.acts(invites.PATH)
async def accept_on_page(
    anyone: Injected[Caller], platform: Injected[Platform], site: Injected[Site], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    token, email, password = (fields.get(name, "") for name in ("token", "email", "password"))
    try:
        joined = await platform.accept_invite_by_password(anyone, _given(token), email, password)
    except SecondFactorRequired as problem:  # the next step, not an error
        return html(invites.ask_for_second_factor(token, problem.extra["challenge"]))
    except InvalidCredentials as problem:
        return html(invites.accept(token, await platform.invitation(token), email, problem.detail), problem.status)
    return html(invites.accepted(joined, site.public_url))


@PAGES.acts(invites.CONTINUE)
async def accept_with_pass(
    anyone: Injected[Caller], platform: Injected[Platform], site: Injected[Site], request: AnyRequest
) -> Html:
    token = (await fields_of(request)).get("token", "")
    try:
        joined = await platform.accept_invite_by_pass(anyone, _given(token), _pass(request, site))
    except ChallengeExpired as problem:
        page = invites.accept(token, await platform.invitation(token), error=problem.detail)
        return html(page, problem.status)
    return html(invites.accepted(joined, site.public_url))


@PAGES.acts(invites.SECOND_FACTOR)
async def accept_with_second_factor(
    anyone: Injected[Caller], platform: Injected[Platform], site: Injected[Site], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    token, challenge, code = (fields.get(name, "") for name in ("token", "challenge", "code"))
    try:
        joined = await platform.accept_invite_by_code(anyone, _given(token), challenge, code)
    except ChallengeExpired as problem:
        page = invites.accept(token, await platform.invitation(token), error=problem.detail)
        return html(page, problem.status)
    except (WrongCode, RateLimited) as problem:
        page = invites.ask_for_second_factor(token, challenge, problem.detail)
        return html(page, problem.status, problem.headers())
    return html(invites.accepted(joined, site.public_url))


def _token_in(link: str) -> str:
    """Return the token of a link, or of a typed token. Links of older mails have it after `#`."""
    return link.rpartition("#")[2].rpartition("token=")[2].strip()


def _pass(request: AnyRequest, site: Site) -> str:
    return sent_cookie(request, PASS_COOKIE, site)


def _given(token: str) -> str:
    """Return the token of a form. Raises: InviteNotFound."""
    if not 0 < len(token) <= MAX_LINK:
        raise InviteNotFound("Open the link of the mail once more.")
    return token


ROUTES: Final = (show_invite, accept_on_page, accept_with_pass, accept_with_second_factor)
