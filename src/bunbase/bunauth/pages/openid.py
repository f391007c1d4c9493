"""The pages on which a person signs in to an application, and allows what the application requests."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.pages.app import page
from bunbase.bunauth.pages.ways import by_passkey, other_ways, second_step
from bunbase.contracts.bunauth.openid import PageStep
from bunbase.contracts.bunauth.page_sign_in import NO_WAYS, ActPage, PageName, PageWays
from bunbase.pkg.command_hints import command_for
from bunbase.pkg.web_pages.forms import button, field, form, hidden
from bunbase.pkg.web_pages.layout import HEADERS, POLICY, alert, facts, items, paragraph, small

AUTHORIZE: Final = "/oauth/authorize"
CONSENT: Final = "/oauth/consent"
SIGN_IN: Final = "/oauth/sign-in"
SECOND_FACTOR: Final = "/oauth/sign-in/code"
# This page is for a person who returns with a pass, which is a sign-in for one action.
CONTINUE: Final = "/oauth/sign-in/continue"
DENY: Final = "/oauth/deny"
SIGN_OUT: Final = "/oauth/sign-out"

SAID: Final = {
    "openid": "know that it is you, by the id of your account (usr_…)",
    "profile": "see your name and your picture",
    "email": "see your email address",
    "offline_access": "stay signed in when you are away, until you end this",
}
ALL: Final = "do everything that you can do: it belongs to the operator of this installation"
LOCAL: Final = (
    "This application runs on your own machine, so nobody can check that it is the one that it says it is. Allow this "
    "only if you have just started it yourself."
)


def headers_of(form_target: str) -> dict[str, str]:
    """Return the headers of a page whose form may lead to a client.

    Chromium also applies `form-action` to the redirect after a form. Therefore the policy must name the client's
    origin. Clients open the page in a popup and wait for its result, so the page keeps the connection to its opener.
    """
    if not form_target:
        return HEADERS
    policy = POLICY.replace("form-action 'self'", f"form-action 'self' {form_target}")
    return HEADERS | {"content-security-policy": policy, "cross-origin-opener-policy": "unsafe-none"}


def sign_in(step: PageStep, ways: PageWays = NO_WAYS) -> str:
    fields = (
        hidden("request", step.request),
        field("email", "Email", "username", "email", step.email, maxlength="254"),
        field("password", "Password", "current-password", "password", maxlength="256"),
        button("Sign in"),
    )
    why = paragraph(f"{step.client} asks you to sign in.")
    to = ActPage(PageName.OAUTH, step.request)
    parts: tuple[str, ...] = (alert(step.error), why)
    if ways.challenge:
        return page("Sign in", *parts, second_step(to, ways.challenge), _leaving(step, "Cancel"))
    if ways.email:
        going_on = form(CONTINUE, hidden("request", step.request), button(f"Continue as {ways.email}"))
        parts = (*parts, going_on)
    return page("Sign in", *parts, form(SIGN_IN, *fields), other_ways(to, ways), _leaving(step, "Cancel"))


def second_factor(step: PageStep) -> str:
    explained = paragraph(
        "This account has a second factor. Type a code of your authenticator app, or a recovery code."
    )
    fields = (
        hidden("request", step.request),
        hidden("challenge", step.challenge),
        field("code", "Code", "one-time-code", spellcheck="false", maxlength="40"),
        button("Continue"),
    )
    parts = (alert(step.error), explained, form(SECOND_FACTOR, *fields), _leaving(step, "Cancel"))
    return page("Second factor", *parts, by_passkey(ActPage(PageName.OAUTH, step.request), step.challenge))


def consent(step: PageStep, public_url: str) -> str:
    ending = command_for(public_url, "bunbase account authorizations list")
    wanted = [ALL] if step.first_party else [SAID[scope] for scope in step.scopes]
    parts = (
        paragraph(f"{step.client} wants to:"),
        items(wanted),
        facts(("Your account", step.email), ("You return to", step.form_target)),
        alert(LOCAL) if step.local else "",
        form(f"{CONSENT}/{step.client_id}", hidden("request", step.request), button("Allow")),
        _leaving(step, "Deny"),
        form(SIGN_OUT, hidden("request", step.request), button("Use another account", second=True)),
        small(f"You can end this at any time, in a terminal ({ending})."),
    )
    return page(f"Allow {step.client}?", *parts)


def failed(title: str, detail: str, path: str) -> str:
    return page(title, alert(detail))


def _leaving(step: PageStep, label: str) -> str:
    return form(DENY, hidden("request", step.request), button(label, second=True))
