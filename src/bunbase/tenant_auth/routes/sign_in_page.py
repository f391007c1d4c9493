"""The ready-made sign-in page of a project: `/v1/auth/ui`. An app sends a browser here, and gets back a code.

The URL of each page carries the parameters of the app: the key, `redirect_to`, `code_challenge` and `state`. BunBase
checks the parameters first, so it never sends a browser to a URL that the project does not allow.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import post

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sign_in_page import (
    BY_LINK,
    RETURN,
    SIGN_IN,
    ByEnrolment,
    ByMailedCode,
    ByMailedLink,
    ByPasskey,
    ByPassword,
    ByPhone,
    BySecondFactor,
    ByService,
    BySignUp,
    Shown,
)
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.identity.bodies import LoginOptions
from bunbase.pkg.identity.factors import NewTotp, PasskeyOptions
from bunbase.pkg.modules import Site
from bunbase.pkg.web_pages.captcha import token_in
from bunbase.pkg.web_pages.serving import (
    AnyRequest,
    at_public_host,
    check_same_origin,
    new_cookie,
    redirect,
    sent_cookie,
)
from bunbase.tenant_auth.pages import sign_in as pages
from bunbase.tenant_auth.pages.sign_in import Visit
from bunbase.tenant_auth.routes.external import COOKIE, COOKIE_SECONDS, ProviderName
from bunbase.tenant_auth.routes.pages import PAGES
from bunbase.tenant_auth.routes.sign_in_steps import (
    Next,
    act_of,
    asking_again,
    query_of,
    refused,
    show,
    sign_in,
    visit_of,
)


@PAGES.shows(SIGN_IN)
async def show_user_sign_in(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Next:
    return show(pages.sign_in, await visit_of(request, keyed, tenant_auth))


@PAGES.acts(SIGN_IN)
async def act_on_user_sign_in(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    shown = ByPassword(visit.email, sent.get("password", ""))
    return await sign_in(visit, keyed, tenant_auth, shown, pages.sign_in)


@PAGES.shows(pages.NEW_ACCOUNT)
async def show_user_new_account(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Next:
    return show(pages.new_account, await visit_of(request, keyed, tenant_auth), captcha=True)


@PAGES.acts(pages.NEW_ACCOUNT)
async def act_on_user_new_account(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    shown = BySignUp(visit.email, sent.get("password", ""), token_in(sent), pages.sign_up_back(visit))
    return await sign_in(visit, keyed, tenant_auth, shown, pages.new_account, captcha=True)


@PAGES.shows(pages.FORGOT)
async def show_user_forgotten(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Next:
    return show(pages.forgot_password, await visit_of(request, keyed, tenant_auth), captcha=True)


@PAGES.acts(pages.FORGOT)
async def act_on_user_forgotten(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    try:
        to = visit.request.redirect_to
        await tenant_auth.request_user_password_reset(keyed, visit.email, to, token_in(sent))
    except Problem as problem:
        return refused(visit, problem, pages.forgot_password, captcha=True)
    return show(pages.reset_sent, visit)


@PAGES.shows(pages.BY_EMAIL)
async def show_user_by_email(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Next:
    return show(pages.by_email, await visit_of(request, keyed, tenant_auth), captcha=True)


@PAGES.acts(pages.BY_EMAIL)
async def act_on_user_by_email(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    by_link, captcha = sent.get("way") == "link", token_in(sent)
    try:
        if by_link:
            await tenant_auth.mail_link_of_page(keyed, visit.request, visit.email, pages.link_back(visit), captcha)
        else:
            await tenant_auth.request_user_code(keyed, visit.email, captcha)
    except Problem as problem:
        return refused(visit, problem, pages.by_email, captcha=True)
    return show(pages.link_sent if by_link else pages.mailed_code, visit)


@PAGES.acts(pages.CODE)
async def act_on_user_code(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    shown = ByMailedCode(visit.email, sent.get("code", "").strip())
    return await sign_in(visit, keyed, tenant_auth, shown, pages.mailed_code)


@PAGES.shows(pages.BY_PHONE)
async def show_user_by_phone(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Next:
    return show(pages.by_phone, await visit_of(request, keyed, tenant_auth), captcha=True)


@PAGES.acts(pages.BY_PHONE)
async def act_on_user_by_phone(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    try:
        await tenant_auth.request_phone_code(keyed, visit.phone, visit.texts.language, token_in(sent))
    except Problem as problem:
        return refused(visit, problem, pages.by_phone, captcha=True)
    return show(pages.texted_code, visit)


@PAGES.acts(pages.PHONE_CODE)
async def act_on_user_phone_code(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    shown = ByPhone(visit.phone, sent.get("code", "").strip())
    return await sign_in(visit, keyed, tenant_auth, shown, pages.texted_code)


@PAGES.shows(BY_LINK)
async def follow_user_link(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Next:
    """The button on the page of a mailed link leads here.

    A program that only opens links does not press the button, so it signs nobody in.
    """
    visit = await visit_of(request, keyed, tenant_auth)
    shown = ByMailedLink(query_of(request).get("token", ""))
    return await sign_in(visit, keyed, tenant_auth, shown, pages.sign_in)


@PAGES.acts(pages.SECOND_FACTOR)
async def act_on_user_second_factor(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    challenge = sent.get("challenge", "")
    shown = BySecondFactor(challenge, sent.get("code", "").strip())
    return await sign_in(visit, keyed, tenant_auth, shown, asking_again(challenge))


@PAGES.acts(pages.PASSKEY)
async def act_on_user_passkey(keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    challenge = sent.get("challenge", "")
    try:
        credential = msgspec.json.decode(sent.get("credential", ""), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise InvalidInput("The answer of the browser could not be read. Open the page once more.") from None
    if challenge:
        shown: Shown = BySecondFactor(challenge, passkey=credential)
        return await sign_in(visit, keyed, tenant_auth, shown, asking_again(challenge))
    return await sign_in(visit, keyed, tenant_auth, ByPasskey(credential), pages.sign_in)


@post(pages.PASSKEY_OPTIONS, status_code=200, cache_control=NO_STORE, include_in_schema=False)
async def user_page_passkey_options(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest, data: LoginOptions
) -> PasskeyOptions:
    """The script of the sign-in page sends this request."""
    check_same_origin(request)
    return await tenant_auth.passkey_options_on_page(keyed, data.challenge)


@PAGES.acts(pages.ENROLMENT)
async def act_on_user_enrolment(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    challenge, new = sent.get("challenge", ""), NewTotp(sent.get("secret", ""), sent.get("uri", ""))
    shown = ByEnrolment(challenge, sent.get("code", "").strip())

    def again(one: Visit) -> str:
        return pages.enrolment(one, challenge, new) if one.wrong else pages.sign_in(one)

    return await sign_in(visit, keyed, tenant_auth, shown, again)


@PAGES.acts(pages.SEND_VERIFICATION)
async def act_on_user_unverified(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Next:
    visit, sent = await act_of(request, keyed, tenant_auth)
    to = visit.request.redirect_to
    try:
        await tenant_auth.request_user_verification(keyed, visit.email, to, token_in(sent))
    except Problem as problem:
        return refused(visit, problem, pages.unverified, captcha=True)
    return show(lambda one: pages.unverified(one, sent=True), visit, captcha=True)


@PAGES.shows(pages.SERVICE + "/{provider:str}")
async def start_user_service(
    keyed: Injected[Caller],
    tenant_auth: Injected[TenantAuth],
    site: Injected[Site],
    request: AnyRequest,
    provider: ProviderName,
) -> Next:
    # Only this route moves to the public host. The page itself may stay on localhost, because passkeys need this name.
    if (moved := at_public_host(request, site)) is not None:
        return moved
    visit = await visit_of(request, keyed, tenant_auth)
    back, browser = pages.service_back(visit), sent_cookie(request, COOKIE, site)
    try:
        to = await tenant_auth.start_service_on_page(keyed, visit.request, provider, back, browser)
    except Problem as problem:
        return refused(visit, problem, pages.sign_in)
    return redirect(to.url, [new_cookie(COOKIE, to.browser, COOKIE_SECONDS, site)])


@PAGES.shows(RETURN)
async def return_from_user_service(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], request: AnyRequest
) -> Next:
    visit, sent = await visit_of(request, keyed, tenant_auth), query_of(request)
    error = visit.texts.problems.get(sent.get("error", ""))
    if error is not None:
        return show(pages.sign_in, msgspec.structs.replace(visit, error=error))
    return await sign_in(visit, keyed, tenant_auth, ByService(sent.get("code", "")), pages.sign_in)


ROUTES = (
    show_user_sign_in,
    act_on_user_sign_in,
    show_user_new_account,
    act_on_user_new_account,
    show_user_forgotten,
    act_on_user_forgotten,
    show_user_by_email,
    act_on_user_by_email,
    act_on_user_code,
    show_user_by_phone,
    act_on_user_by_phone,
    act_on_user_phone_code,
    follow_user_link,
    act_on_user_second_factor,
    act_on_user_passkey,
    user_page_passkey_options,
    act_on_user_enrolment,
    act_on_user_unverified,
    start_user_service,
    return_from_user_service,
)
