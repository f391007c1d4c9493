"""The page `/invite`, on which a person accepts an invitation to a project or an organisation."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.bunauth.page_sign_in import PASSKEY, PASSKEY_OPTIONS, ActPage, PageName
from bunbase.contracts.bunauth.page_sign_in import SECOND_FACTOR as CODE_OF_PASS
from bunbase.contracts.platform import AcceptedInvite, OpenInvitation
from bunbase.pkg.command_hints import command_for
from bunbase.pkg.web_pages.forms import button, field, form, hidden
from bunbase.pkg.web_pages.layout import alert, facts, link, paragraph, small
from bunbase.pkg.web_pages.passkeys import passkey_form
from bunbase.pkg.web_pages.sign_in import code_form, service_links
from bunbase.platform.pages.app import page

PATH: Final = "/invite"
CONTINUE: Final = "/invite/continue"  # with a pass
SECOND_FACTOR: Final = "/invite/code"
NO_ACCOUNT: Final = (
    "No account yet? Open one first: with the command bunbase register, or by a link from an administrator of this "
    "server. Then open this page again."
)


def ask_for_link(error: str = "") -> str:
    """Return the page that asks for the link. Its form leads to the page below."""
    typing = field("token", "Link", "off", spellcheck="false", maxlength="300")
    asking = f'<form method="get" action="{PATH}">\n{typing}\n{button("Continue")}\n</form>'
    return page(
        "Accept an invitation", alert(error), paragraph("Copy the whole link of the mail into this field."), asking
    )


def accept(token: str, invitation: OpenInvitation, email: str = "", error: str = "") -> str:
    """Return the page that shows the invitation, and asks for the sign-in."""
    about = facts(
        ("You are invited to", invitation.target),
        ("Role", invitation.role.value),
        ("By", invitation.inviter or "a former member"),
        ("Sent to", invitation.email),
    )
    fields = (
        hidden("token", token),
        field("email", "Email", "username", "email", email, maxlength="254"),
        field("password", "Password", "current-password", "password", maxlength="256"),
        button("Accept"),
    )
    to, ways = ActPage(PageName.INVITE, token), invitation.ways
    if ways.challenge:
        typed = (*to.fields, ("challenge", ways.challenge))
        passkey = passkey_form(PASSKEY, PASSKEY_OPTIONS, to.fields, ways.challenge)
        return page("You are invited", alert(error), about, code_form(CODE_OF_PASS, typed), passkey)
    going_on = form(CONTINUE, hidden("token", token), button(f"Accept as {ways.email}")) if ways.email else ""
    sign_in = paragraph("Sign in to accept. The account may have another address than the one invited.")
    forgot = link("/account/forgot-password", "Forgot your password?")
    return page(
        "You are invited",
        alert(error),
        about,
        going_on,
        sign_in,
        form(PATH, *fields),
        service_links([(one.title, to.start(one.name)) for one in ways.providers]),
        passkey_form(PASSKEY, PASSKEY_OPTIONS, to.fields),
        forgot,
        small(NO_ACCOUNT),
    )


def ask_for_second_factor(token: str, challenge: str, error: str = "") -> str:
    """Return the page that asks for a code after the right password."""
    text = "This account has a second factor. Type a code of your authenticator app, or a recovery code."
    fields = (
        hidden("token", token),
        hidden("challenge", challenge),
        field("code", "Code", "one-time-code", spellcheck="false", maxlength="40"),
        button("Accept"),
    )
    passkey = passkey_form(PASSKEY, PASSKEY_OPTIONS, ActPage(PageName.INVITE, token).fields, challenge)
    return page("Second factor", alert(error), paragraph(text), form(SECOND_FACTOR, *fields), passkey)


def accepted(joined: AcceptedInvite, public_url: str) -> str:
    place = joined.project or joined.org
    name, slug = (place.name, place.slug) if place else ("", "")
    about = facts(("Name", name), ("Slug", slug), ("Role", joined.role.value))
    command = f"bunbase projects use {slug}" if joined.project else f"bunbase members list --org {slug}"
    login = command_for(public_url, "bunbase login")
    return page("You are a member now", about, paragraph(f"On your machine: {login}, and then {command}"))


def failed(title: str, detail: str, path: str) -> str:
    """Return the page for an error after which the form is of no use."""
    return page(title, alert(detail) if detail != title else "")
