"""The pages to which the mails of projects link: `/v1/auth/ui/…`. GET shows a form, and the form's POST acts.

The caller is a `visitor`: the URL names the project, because a link in a mail has no key.
"""

from __future__ import annotations

from typing import Annotated, Final

from litestar.exceptions import HTTPException
from litestar.params import QueryParameter
from litestar.response import Redirect

from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import InvalidKey
from bunbase.contracts.tenant_auth.pages import UserPage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.errors import InvalidInput, Problem, Unauthenticated
from bunbase.pkg.http import Injected
from bunbase.pkg.web_pages.captcha import token_in
from bunbase.pkg.web_pages.serving import AnyRequest, Html, PageRoutes, fields_of, html, redirect
from bunbase.tenant_auth.languages import chosen_texts, problem_text
from bunbase.tenant_auth.languages.texts import Texts
from bunbase.tenant_auth.pages import mails
from bunbase.tenant_auth.pages.look import NO_PROJECT, Look, failed, leading_to

MAX_TOKEN: Final = 200  # A token has at most this many characters. The tokens of links are shorter.

Token = Annotated[str, QueryParameter(max_length=MAX_TOKEN)]

# These texts replace the Problem's own detail, by its code, because the detail describes the header that an app would
# send.
BAD_KEYS: Final = {
    Unauthenticated.code: "key: Send the publishable key of the project (pk_…) as this parameter.",
    InvalidKey.code: "key: This key is unknown, or it was revoked or has expired. Send a publishable key (pk_…).",
}
LOOK: Final = "look"  # The state of a request has the look under this key.
MAX_LANGUAGE: Final = 35  # A language tag has at most this many characters (RFC 5646).


class UserPageRoutes(PageRoutes):
    """The pages for end users. An error is shown in the language of the reader.

    An error that only the app's developer can correct is shown in English.
    """

    def on_problem(self, request: AnyRequest, problem: Problem) -> Html:
        look = _known_look(request)
        detail = look.texts.problems.get(problem.code) or _told_to_developers(problem)
        if isinstance(problem, LinkExpired):
            project = request.query_params.get("project", "")
            page = mails.link_over(look, detail, request.scope["path_template"], project)
        else:
            page = failed(look, detail)
        return html(page, problem.status, problem.headers())

    def _on_refusal(self, request: AnyRequest, refusal: HTTPException) -> Html:
        look = _known_look(request)
        return html(failed(look, look.texts.open_again), refusal.status_code)


PAGES: Final = UserPageRoutes(lambda _title, detail, _path: failed(Look(NO_PROJECT, chosen_texts("", "")), detail))


@PAGES.shows(mails.VERIFY)
async def show_user_verification(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest, token: Token = ""
) -> Html:
    look = await look_of(request, visitor, tenant_auth)
    await tenant_auth.mailed_target(visitor, given(token))
    return html(mails.verify_email(look, visitor.project, given(token)))


@PAGES.acts(mails.VERIFY)
async def act_on_user_verification(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Html:
    fields, look = await fields_of(request), await look_of(request, visitor, tenant_auth)
    confirmed = await tenant_auth.verify_user_email(visitor, given(fields.get("token", "")))
    return html(mails.email_verified(look, confirmed.redirect_to))


@PAGES.shows(mails.RESET)
async def show_user_reset(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest, token: Token = ""
) -> Html:
    look = await look_of(request, visitor, tenant_auth)
    await tenant_auth.mailed_target(visitor, given(token))
    return html(mails.reset_password(look, visitor.project, given(token)))


@PAGES.acts(mails.RESET)
async def act_on_user_reset(visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Html:
    fields, look = await fields_of(request), await look_of(request, visitor, tenant_auth)
    token = given(fields.get("token", ""))
    try:
        back = await tenant_auth.reset_user_password(visitor, token, fields.get("password", ""))
    except InvalidInput as problem:  # The password was not accepted, so the form is shown again.
        return html(mails.reset_password(look, visitor.project, token, _wrong(look, problem)), problem.status)
    return html(mails.password_set(look, back))


@PAGES.shows(mails.CHANGE)
async def show_user_email_change(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest, token: Token = ""
) -> Html:
    look = await look_of(request, visitor, tenant_auth)
    await tenant_auth.mailed_target(visitor, given(token))
    return html(mails.change_email(look, visitor.project, given(token)))


@PAGES.acts(mails.CHANGE)
async def act_on_user_email_change(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Html:
    fields, look = await fields_of(request), await look_of(request, visitor, tenant_auth)
    confirmed = await tenant_auth.confirm_user_email_change(visitor, given(fields.get("token", "")))
    return html(mails.email_change(look, confirmed.status))


@PAGES.shows(mails.LINK)
async def show_user_link(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest, token: Token = ""
) -> Html:
    """Shows the page of a mailed link.

    To open the page signs nobody in, because programs that scan mails also open it.
    """
    look = await look_of(request, visitor, tenant_auth)
    target = await tenant_auth.user_link_target(visitor, given(token))
    return html(mails.sign_in(look, visitor.project, token), headers=mails.headers_of_link(target))


@PAGES.acts(mails.LINK)
async def act_on_user_link(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Redirect:
    """Redirect the browser to the app, which signs in with the token, or to the sign-in page."""
    fields, _ = await fields_of(request), await look_of(request, visitor, tenant_auth)
    target = await tenant_auth.user_link_target(visitor, given(fields.get("token", "")))
    return redirect(target)


@PAGES.shows(mails.SIGN_UP)
async def show_user_signup(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest, token: Token = ""
) -> Html:
    look = await look_of(request, visitor, tenant_auth)
    target = await tenant_auth.mailed_target(visitor, given(token))
    return html(mails.sign_up(look, visitor.project, token), headers=leading_to(target) if target else None)


@PAGES.acts(mails.SIGN_UP)
async def act_on_user_signup(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Html | Redirect:
    fields, look = await fields_of(request), await look_of(request, visitor, tenant_auth)
    token = given(fields.get("token", ""))
    try:
        back = await tenant_auth.open_confirmed_user(visitor, token, fields.get("password", ""))
    except InvalidInput as problem:  # Another password may be accepted, so the form is shown again.
        target = await tenant_auth.mailed_target(visitor, token)
        again, headers = mails.sign_up(look, visitor.project, token, _wrong(look, problem)), leading_to(target)
        return html(again, problem.status, headers if target else None)
    return redirect(back.url) if back.signed_in else html(mails.signed_up(look, back.url))


@PAGES.shows(mails.NEW_MAIL)
async def show_new_user_mail(visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Html:
    """Show a form to a person whose link has expired or was used."""
    look = await look_of(request, visitor, tenant_auth)
    page = mails.new_mail(look, visitor.project, _page_of_mail(request))
    return html(page, headers=mails.headers_of_new_mail(look))


@PAGES.acts(mails.NEW_MAIL)
async def act_on_new_user_mail(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Html:
    fields, look = await fields_of(request), await look_of(request, visitor, tenant_auth)
    path, email, captcha = _page_of_mail(request), fields.get("email", "").strip(), token_in(fields)
    reset = path == mails.RESET
    ask = tenant_auth.request_user_password_reset if reset else tenant_auth.request_user_verification
    try:
        await ask(visitor, email, look.of.app_url, captcha)
    except Problem as problem:
        error = problem_text(look.texts, problem, look.of.min_length)
        again = mails.new_mail(look, visitor.project, path, email, error)
        return html(again, problem.status, problem.headers() | mails.headers_of_new_mail(look))
    return html(mails.new_mail_sent(look, email))


def _page_of_mail(request: AnyRequest) -> str:
    """Return the page that the new link opens: the page for a new password, or the page that confirms an address."""
    path = request.query_params.get("of", "")
    return path if path in mails.SENT_AGAIN else mails.RESET


def _told_to_developers(problem: Problem) -> str:
    """Return the fault in the URL to which an app has sent a browser.

    The text begins with the name of the parameter.
    """
    if problem.code in BAD_KEYS:
        return BAD_KEYS[problem.code]
    names = [error["path"].strip("/") for error in problem.extra.get("errors", ())]
    return f"{names[0]}: {problem.detail}" if names and names[0] else problem.detail


def given(token: str) -> str:
    """Return the token of a link. Raises: LinkExpired if there is no token."""
    if not 0 < len(token) <= MAX_TOKEN:
        raise LinkExpired("The link is not complete: copy it whole from the mail.")
    return token


def texts_of(request: AnyRequest, languages: tuple[str, ...] = ()) -> Texts:
    """Return the texts in the language of the reader: the language in `?lang=`, or else a language of the browser."""
    return chosen_texts(asked_language(request), request.headers.get("accept-language", ""), languages)


def asked_language(request: AnyRequest) -> str:
    return request.query_params.get("lang", "")[:MAX_LANGUAGE]


async def look_of(request: AnyRequest, visitor: Caller, tenant_auth: TenantAuth) -> Look:
    return kept_look(request, await tenant_auth.user_page(visitor))


def kept_look(request: AnyRequest, page: UserPage) -> Look:
    """Return the look of the page. If the rest of the request fails, the error page uses the same look."""
    look = Look(page, texts_of(request, page.languages), asked_language(request))
    request.state[LOOK] = look
    return look


def _known_look(request: AnyRequest) -> Look:
    known: Look | None = request.state.get(LOOK)
    return known or Look(NO_PROJECT, texts_of(request))


def _wrong(look: Look, problem: InvalidInput) -> str:
    return problem_text(look.texts, problem, look.of.min_length)


ROUTES = (
    show_user_verification,
    act_on_user_verification,
    show_user_reset,
    act_on_user_reset,
    show_user_email_change,
    act_on_user_email_change,
    show_user_link,
    act_on_user_link,
    show_user_signup,
    act_on_user_signup,
    show_new_user_mail,
    act_on_new_user_mail,
)
