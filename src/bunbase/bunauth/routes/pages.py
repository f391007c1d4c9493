"""The pages to which mails link: `/account/…`. GET shows a form, and the form's POST acts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Final

from litestar.params import QueryParameter

from bunbase.bunauth.pages import account
from bunbase.contracts.bunauth.accounts import NewAccount
from bunbase.contracts.bunauth.problems import EmailTaken, InvalidInvite, LinkExpired
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.http import Injected
from bunbase.pkg.modules import Site
from bunbase.pkg.web_pages.serving import AnyRequest, Html, PageRoutes, fields_of, html

MAX_TOKEN: Final = 200  # A token has at most this many characters. The tokens of links are shorter.

Token = Annotated[str, QueryParameter(max_length=MAX_TOKEN)]

PAGES: Final = PageRoutes(account.failed)
shows, acts = PAGES.shows, PAGES.acts


async def done_or_form(act: Callable[[], Awaitable[str]], form: Callable[[str], str]) -> Html:
    """Return the page that `act` returns. If the person can correct an error, return the form with the error."""
    try:
        return html(await act())
    except (InvalidInput, EmailTaken) as problem:
        return html(form(problem.detail), problem.status)


@shows(account.VERIFY)
async def show_verify_email(anyone: Injected[Caller], token: Token = "") -> Html:
    return html(account.verify_email(_given(token)))


@acts(account.VERIFY)
async def verify_email(anyone: Injected[Caller], bunauth: Injected[BunAuth], request: AnyRequest) -> Html:
    fields = await fields_of(request)
    await bunauth.verify_email(anyone, _given(fields.get("token", "")))
    return html(account.email_verified())


@shows(account.SIGN_UP)
async def show_sign_up(anyone: Injected[Caller], bunauth: Injected[BunAuth], token: Token = "") -> Html:
    return html(account.sign_up(token, await bunauth.signup_address(_given(token))))


@acts(account.SIGN_UP)
async def sign_up(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    token = _given(fields.get("token", ""))

    email = await bunauth.signup_address(token)

    async def act() -> str:
        opened = await bunauth.open_account(anyone, token, fields.get("password", ""))
        return account.account_opened(opened.email, site.public_url)

    return await done_or_form(act, partial(account.sign_up, token, email))


@shows(account.RESET)
async def show_reset_password(anyone: Injected[Caller], token: Token = "") -> Html:
    return html(account.reset_password(_given(token)))


@acts(account.RESET)
async def reset_password(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    token = _given(fields.get("token", ""))

    async def act() -> str:
        reset = await bunauth.reset_password(anyone, token, fields.get("password", ""))
        return account.password_set(site.public_url, reset.removed)

    return await done_or_form(act, partial(account.reset_password, token))


@shows(account.FORGOT)
async def show_forgot_password(anyone: Injected[Caller]) -> Html:
    return html(account.forgot_password())


@acts(account.FORGOT)
async def forgot_password(anyone: Injected[Caller], bunauth: Injected[BunAuth], request: AnyRequest) -> Html:
    fields = await fields_of(request)
    await bunauth.request_password_reset(fields.get("email", ""))
    return html(account.mail_requested())


@shows(account.SEND_AGAIN)
async def show_send_verification(anyone: Injected[Caller]) -> Html:
    return html(account.send_verification())


@acts(account.SEND_AGAIN)
async def send_verification(anyone: Injected[Caller], bunauth: Injected[BunAuth], request: AnyRequest) -> Html:
    fields = await fields_of(request)
    await bunauth.request_email_verification(fields.get("email", ""))
    return html(account.mail_requested())


@shows(account.CHANGE)
async def show_change_email(anyone: Injected[Caller], token: Token = "") -> Html:
    return html(account.change_email(_given(token)))


@acts(account.CHANGE)
async def change_email(anyone: Injected[Caller], bunauth: Injected[BunAuth], request: AnyRequest) -> Html:
    fields = await fields_of(request)
    confirmed = await bunauth.confirm_email_change(anyone, _given(fields.get("token", "")))
    return html(account.email_change(confirmed.status))


@shows(account.INVITE)
async def show_invite(anyone: Injected[Caller], bunauth: Injected[BunAuth], token: Token = "") -> Html:
    return html(account.invite(token, await bunauth.invitation(_given(token))))


@acts(account.INVITE)
async def accept_invite(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], site: Injected[Site], request: AnyRequest
) -> Html:
    fields = await fields_of(request)
    token, email, name = (fields.get(key, "") for key in ("token", "email", "name"))
    new = NewAccount(email, fields.get("password", ""), name, invite=_given(token))
    try:
        opened = await bunauth.accept_invite(anyone, new)
        return html(account.account_opened(opened.email, site.public_url))
    except (InvalidInput, EmailTaken, InvalidInvite) as problem:
        # The form is shown again, unless the invitation itself is no longer valid.
        invitation = await bunauth.invitation(token)
        return html(account.invite(token, invitation, email, name, problem.detail), problem.status)


def _given(token: str) -> str:
    """Return the token of a link. Raises: LinkExpired if the token is missing or too long."""
    if not 0 < len(token) <= MAX_TOKEN:
        raise LinkExpired("This link is not complete: copy the whole link of the mail.")
    return token


ROUTES: Final = (
    show_verify_email,
    verify_email,
    show_sign_up,
    sign_up,
    show_reset_password,
    reset_password,
    show_forgot_password,
    forgot_password,
    show_send_verification,
    send_verification,
    show_change_email,
    change_email,
    show_invite,
    accept_invite,
)
