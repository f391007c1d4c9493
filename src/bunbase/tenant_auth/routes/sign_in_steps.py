"""The steps that all routes of the sign-in page share: read the app's parameters, sign in, and show a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Response

from bunbase.contracts.bunauth.problems import EmailTaken, InvalidCredentials, SecondFactorRequired, WrongCode
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.problems import (
    EmailDomainNotAllowed,
    EmailNotVerified,
    InvalidCode,
    MfaEnrolmentRequired,
    PhoneNotAllowed,
)
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sign_in_page import PageRequest, Shown
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.web_pages.forms import read_query
from bunbase.pkg.web_pages.serving import AnyRequest, fields_of, html, redirect
from bunbase.tenant_auth.languages import problem_text
from bunbase.tenant_auth.pages import sign_in as pages
from bunbase.tenant_auth.pages.sign_in import Visit
from bunbase.tenant_auth.routes.pages import kept_look

# For each problem, this names the field of the form that has caused it.
AT_FAULT: Final[dict[type[Problem], str]] = {
    EmailDomainNotAllowed: "email",
    EmailTaken: "email",
    InvalidCode: "code",
    InvalidCredentials: "password",
    PhoneNotAllowed: "phone",
    WrongCode: "code",
}
FIELDS: Final = ("email", "phone", "password", "code")

Next = Response[Any]
Page = Callable[[Visit], str]


async def visit_of(request: AnyRequest, keyed: Caller, tenant_auth: TenantAuth) -> Visit:
    """Return the page request with checked parameters. Raises: Malformed, Forbidden, InvalidInput.

    If the request is refused, the error page also has the look of the project, with a link to its app.
    """
    sent = query_of(request)
    if not sent.get("key"):
        raise InvalidInput.at("key", "Send the publishable key of the project (pk_…) as this parameter.")
    asked = PageRequest(sent.get("redirect_to", ""), sent.get("code_challenge", ""), sent.get("state", ""))
    try:
        look = await tenant_auth.sign_in_look(keyed, asked)
    except Problem:
        kept_look(request, await tenant_auth.user_page(keyed))
        raise
    kept = kept_look(request, look)
    return Visit(sent["key"], asked, look, kept.texts, kept.asked)


async def act_of(request: AnyRequest, keyed: Caller, tenant_auth: TenantAuth) -> tuple[Visit, dict[str, str]]:
    """Return the checked request, and the fields of its form. Raises: Forbidden if another site has sent the form."""
    fields = await fields_of(request)
    visit = await visit_of(request, keyed, tenant_auth)
    email, phone = fields.get("email", "").strip(), fields.get("phone", "").strip()
    return msgspec.structs.replace(visit, email=email, phone=phone), fields


async def sign_in(
    visit: Visit, keyed: Caller, tenant_auth: TenantAuth, shown: Shown, again: Page, captcha: bool = False
) -> Next:
    """Sign in, and redirect the browser to the app. Otherwise, show the next step or the error."""
    try:
        end = await tenant_auth.sign_in_on_page(keyed, visit.request, shown)
    except SecondFactorRequired as asked:
        challenge = asked.extra["challenge"]
        return show(lambda one: pages.second_factor(one, challenge), visit)
    except MfaEnrolmentRequired as asked:
        challenge = asked.extra["challenge"]
        new = await tenant_auth.start_enrolment(keyed, challenge)
        return show(lambda one: pages.enrolment(one, challenge, new), visit)
    except EmailNotVerified as problem:
        return html(pages.unverified(visit), problem.status, visit.headers(captcha=True))
    except Problem as problem:
        return refused(visit, problem, again, captcha)
    if end.recovery_codes:
        return show(lambda one: pages.recovery_codes(one, end), visit)
    return redirect(end.url) if end.url else show(pages.sign_up_sent, visit)


def show(page: Page, visit: Visit, captcha: bool = False) -> Next:
    return html(page(visit), headers=visit.headers(captcha))


def refused(visit: Visit, problem: Problem, page: Page, captcha: bool = False) -> Next:
    """Show a form again, with the error. The address stays in the form, but the password does not."""
    error = problem_text(visit.texts, problem, visit.look.min_length)
    again = msgspec.structs.replace(visit, error=error, wrong=_field_at_fault(problem))
    return html(page(again), problem.status, problem.headers() | visit.headers(captcha))


def _field_at_fault(problem: Problem) -> str:
    paths = [error["path"].strip("/") for error in problem.extra.get("errors", ())]
    return next((name for name in FIELDS if name in paths), AT_FAULT.get(type(problem), ""))


def asking_again(challenge: str) -> Page:
    """Return the page after a refused second factor: the same page, or the first page if the challenge has expired."""

    def page(one: Visit) -> str:
        return pages.second_factor(one, challenge) if one.wrong else pages.sign_in(one)

    return page


def query_of(request: AnyRequest) -> dict[str, str]:
    return read_query(request.scope["query_string"])
