"""The pages that the mails of projects link to: `/v1/auth/ui/…`. A GET shows a form; the POST of the form acts.

The caller is a `visitor`: the address names the project, because a link in a mail has no key.
"""

from __future__ import annotations

from typing import Annotated, Final

from litestar.params import QueryParameter
from litestar.response import Redirect

from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.http import Injected
from bunbase.pkg.web_pages.layout import HEADERS
from bunbase.pkg.web_pages.serving import AnyRequest, Html, PageRoutes, fields_of, html
from bunbase.tenant_auth.pages import mails

MAX_TOKEN: Final = 200  # characters; the tokens of links are shorter

Token = Annotated[str, QueryParameter(max_length=MAX_TOKEN)]

PAGES: Final = PageRoutes(mails.failed)


@PAGES.shows(mails.VERIFY)
async def show_user_verification(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], token: Token = ""
) -> Html:
    look = await tenant_auth.user_page(visitor)
    return html(mails.verify_email(look.app_name, visitor.project, given(token)))


@PAGES.acts(mails.VERIFY)
async def act_on_user_verification(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    confirmed = await tenant_auth.verify_user_email(visitor, given(fields.get("token", "")))
    return html(mails.email_verified((await tenant_auth.user_page(visitor)).app_name, confirmed.redirect_to))


@PAGES.shows(mails.RESET)
async def show_user_reset(visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], token: Token = "") -> Html:
    look = await tenant_auth.user_page(visitor)
    return html(mails.reset_password(look.app_name, visitor.project, given(token)))


@PAGES.acts(mails.RESET)
async def act_on_user_reset(visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Html:
    fields, app = await fields_of(request), (await tenant_auth.user_page(visitor)).app_name
    token = given(fields.get("token", ""))
    try:
        back = await tenant_auth.reset_user_password(visitor, token, fields.get("password", ""))
    except InvalidInput as problem:  # the password: show the form again
        return html(mails.reset_password(app, visitor.project, token, problem.detail), problem.status)
    return html(mails.password_set(app, back))


@PAGES.shows(mails.CHANGE)
async def show_user_email_change(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], token: Token = ""
) -> Html:
    look = await tenant_auth.user_page(visitor)
    return html(mails.change_email(look.app_name, visitor.project, given(token)))


@PAGES.acts(mails.CHANGE)
async def act_on_user_email_change(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Html:
    fields, app = await fields_of(request), (await tenant_auth.user_page(visitor)).app_name
    confirmed = await tenant_auth.confirm_user_email_change(visitor, given(fields.get("token", "")))
    return html(mails.email_change(app, confirmed.status))


@PAGES.shows(mails.LINK)
async def show_user_link(visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], token: Token = "") -> Html:
    """Opening the page signs nobody in: programs that read mails open it too."""
    look = await tenant_auth.user_page(visitor)
    target = await tenant_auth.user_link_target(visitor, given(token))
    return html(mails.sign_in(look.app_name, visitor.project, token), headers=mails.leading_to(target))


@PAGES.acts(mails.LINK)
async def act_on_user_link(
    visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Redirect:
    """Send the browser to the app, which signs in with the token."""
    fields = await fields_of(request)
    target = await tenant_auth.user_link_target(visitor, given(fields.get("token", "")))
    return Redirect(target, status_code=303, headers=HEADERS)


@PAGES.shows(mails.SIGN_UP)
async def show_user_signup(visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], token: Token = "") -> Html:
    look = await tenant_auth.user_page(visitor)
    return html(mails.sign_up(look.app_name, visitor.project, given(token)))


@PAGES.acts(mails.SIGN_UP)
async def act_on_user_signup(visitor: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Html:
    fields = await fields_of(request)
    token, app = given(fields.get("token", "")), (await tenant_auth.user_page(visitor)).app_name
    try:
        await tenant_auth.open_confirmed_user(visitor, token, fields.get("password", ""))
    except InvalidInput as problem:  # another password may be accepted
        return html(mails.sign_up(app, visitor.project, token, problem.detail), problem.status)
    return html(mails.signed_up(app))


def given(token: str) -> str:
    """Return the token of a link. Raises: LinkExpired, if there is none."""
    if not 0 < len(token) <= MAX_TOKEN:
        raise LinkExpired("The link is not complete: copy it whole from the mail.")
    return token


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
)
