"""The page that the link of an invitation opens: `/invite`. A GET shows a form; the POST of the form accepts it.

A person without an account opens one here. A GET never opens or sends anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from litestar.params import QueryParameter

from bunbase.contracts.bunauth.page_sign_in import PASS_COOKIE
from bunbase.contracts.bunauth.problems import (
    ChallengeExpired,
    EmailTaken,
    InvalidCredentials,
    SecondFactorRequired,
    WrongCode,
)
from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import AcceptedInvite, Platform
from bunbase.pkg.errors import InvalidInput, Problem, RateLimited
from bunbase.pkg.http import Injected
from bunbase.pkg.identity.problems import LinkExpired
from bunbase.pkg.modules import Site
from bunbase.pkg.web_pages.serving import AnyRequest, Html, PageRoutes, fields_of, html, sent_cookie
from bunbase.platform.pages import invites

MAX_LINK: Final = 300
HAS_ACCOUNT: Final = "This address has an account by now: sign in to accept."
PAGES: Final = PageRoutes(invites.failed)

Link = Annotated[str, QueryParameter(max_length=MAX_LINK)]


@PAGES.shows(invites.PATH)
async def show_invite(
    anyone: Injected[Caller],
    platform: Injected[Platform],
    site: Injected[Site],
    request: AnyRequest,
    token: Link = "",
    way: Link = "",
) -> Html:
    given = _token_in(token)
    if not given:
        return html(invites.ask_for_link())
    invitation = await platform.invitation(given, _pass(request, site))
    return html((invites.sign_in if way == invites.SIGN_IN else invites.accept)(given, invitation))


@PAGES.acts(invites.PATH)
async def accept_on_page(
    anyone: Injected[Caller], platform: Injected[Platform], site: Injected[Site], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    token, email, password = (fields.get(name, "") for name in ("token", "email", "password"))
    try:
        joined = await platform.accept_invite_by_password(anyone, _given(token), email, password)
    except SecondFactorRequired as problem:  # not an error: the page asks for the code next
        return html(invites.ask_for_second_factor(token, problem.extra["challenge"]))
    except InvalidCredentials as problem:
        return await _sign_in_again(platform, token, problem, email)
    return html(invites.accepted(joined, site.public_url))


@PAGES.acts(invites.CONTINUE)
async def accept_with_pass(
    anyone: Injected[Caller], platform: Injected[Platform], site: Injected[Site], request: AnyRequest
) -> Html:
    return await _join_by_pass(platform.accept_invite_by_pass, anyone, platform, site, request)


@PAGES.acts(invites.OPEN)
async def open_account_on_page(
    anyone: Injected[Caller], platform: Injected[Platform], site: Injected[Site], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    token, name, password = (fields.get(name, "") for name in ("token", "name", "password"))
    try:
        joined = await platform.open_account_by_invite(anyone, _given(token), name, password)
    except EmailTaken:
        return await _sign_in_again(platform, token, EmailTaken(HAS_ACCOUNT))
    except InvalidInput as problem:
        page = invites.open_account(token, await platform.invitation(token), name, problem.detail)
        return html(page, problem.status)
    return html(invites.accepted(joined, site.public_url))


@PAGES.acts(invites.OPEN_WITH_PASS)
async def open_account_with_service(
    anyone: Injected[Caller], platform: Injected[Platform], site: Injected[Site], request: AnyRequest
) -> Html:
    return await _join_by_pass(platform.open_account_by_pass, anyone, platform, site, request)


@PAGES.acts(invites.SEND)
async def send_mail(anyone: Injected[Caller], platform: Injected[Platform], request: AnyRequest) -> Html:
    token = _given((await fields_of(request)).get("token", ""))
    invitation = await platform.invitation(token)
    await platform.send_invite_mail(token)
    return html(invites.mail_sent(invitation.email))


@PAGES.acts(invites.SECOND_FACTOR)
async def accept_with_second_factor(
    anyone: Injected[Caller], platform: Injected[Platform], site: Injected[Site], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    token, challenge, code = (fields.get(name, "") for name in ("token", "challenge", "code"))
    try:
        joined = await platform.accept_invite_by_code(anyone, _given(token), challenge, code)
    except ChallengeExpired as problem:
        return await _sign_in_again(platform, token, problem)
    except (WrongCode, RateLimited) as problem:
        page = invites.ask_for_second_factor(token, challenge, problem.detail)
        return html(page, problem.status, problem.headers())
    return html(invites.accepted(joined, site.public_url))


async def _join_by_pass(
    join: Callable[[Caller, str, str], Awaitable[AcceptedInvite]],
    anyone: Caller,
    platform: Platform,
    site: Site,
    request: AnyRequest,
) -> Html:
    token = (await fields_of(request)).get("token", "")
    try:
        joined = await join(anyone, _given(token), _pass(request, site))
    except ChallengeExpired as problem:
        return await _sign_in_again(platform, token, problem)
    return html(invites.accepted(joined, site.public_url))


async def _sign_in_again(platform: Platform, token: str, problem: Problem, email: str = "") -> Html:
    """Return the form of the sign-in, with an error message."""
    return html(invites.sign_in(token, await platform.invitation(token), email, problem.detail), problem.status)


def _token_in(link: str) -> str:
    """Return the token of a link, or of a typed token. Links of older mails have the token after `#`."""
    return link.rpartition("#")[2].rpartition("token=")[2].strip()


def _pass(request: AnyRequest, site: Site) -> str:
    return sent_cookie(request, PASS_COOKIE, site)


def _given(token: str) -> str:
    """Return the token of a form. Raises: LinkExpired."""
    if not 0 < len(token) <= MAX_LINK:
        raise LinkExpired("This link is not complete: copy the whole link of the mail.")
    return token


ROUTES: Final = (
    show_invite,
    accept_on_page,
    accept_with_pass,
    accept_with_second_factor,
    open_account_on_page,
    open_account_with_service,
    send_mail,
)
