"""The page `/invite`, on which a person accepts an invitation to a project or an organisation."""

from __future__ import annotations

from typing import Final, assert_never

from bunbase.contracts.bunauth.page_sign_in import PASSKEY, PASSKEY_OPTIONS, ActPage, PageName
from bunbase.contracts.bunauth.page_sign_in import SECOND_FACTOR as CODE_OF_PASS
from bunbase.contracts.platform import AcceptedInvite, Opening, OpenInvitation
from bunbase.pkg.command_hints import command_for
from bunbase.pkg.passwords import MAX_LENGTH, MIN_LENGTH
from bunbase.pkg.web_pages.forms import button, field, form, hidden
from bunbase.pkg.web_pages.layout import alert, facts, link, paragraph, small
from bunbase.pkg.web_pages.passkeys import passkey_form
from bunbase.pkg.web_pages.sign_in import code_form, service_links
from bunbase.platform.pages.app import page

PATH: Final = "/invite"
CONTINUE: Final = "/invite/continue"  # the page after a sign-in at another service; the cookie has a pass
SECOND_FACTOR: Final = "/invite/code"
OPEN: Final = "/invite/open"  # the form that opens an account with a password
OPEN_WITH_PASS: Final = "/invite/open-with-service"  # the form that opens an account after a sign-in at another service
SEND: Final = "/invite/send"  # the form that sends the mail, for a person to whom somebody passed the link on
SIGN_IN: Final = "sign-in"  # the value of the parameter `way`
NO_ACCOUNT: Final = (
    "No account yet? This invitation cannot open one: ask an administrator of this server for a link that opens an "
    "account. Then open this page again."
)


def ask_for_link(error: str = "") -> str:
    """Return the page that asks for the link. The form of this page leads to the page of `accept`."""
    typing = field("token", "Link", "off", spellcheck="false", maxlength="300")
    asking = f'<form method="get" action="{PATH}">\n{typing}\n{button("Continue")}\n</form>'
    return page(
        "Accept an invitation", alert(error), paragraph("Copy the whole link of the mail into this field."), asking
    )


def accept(token: str, invitation: OpenInvitation) -> str:
    """Return the page that opens an account if the invited address has none, and that otherwise asks for a sign-in."""
    if invitation.ways.newcomer:
        return open_with_service(token, invitation)
    if invitation.opening is Opening.HERE and not (invitation.ways.email or invitation.ways.challenge):
        return open_account(token, invitation)
    return sign_in(token, invitation)


def open_account(token: str, invitation: OpenInvitation, name: str = "", error: str = "") -> str:
    """Return the page that opens an account for the invited address, and accepts the invitation."""
    least, most = str(MIN_LENGTH), str(MAX_LENGTH)
    fields = (
        hidden("token", token),
        field("email", "Email", "username", "email", invitation.email, readonly="readonly"),
        field("name", "Your name, which other members see", "name", value=name, optional=True, maxlength="100"),
        field("password", "Password", "new-password", "password", minlength=least, maxlength=most),
        small(f"At least {MIN_LENGTH} characters."),
        button("Open the account and accept"),
    )
    to = ActPage(PageName.INVITE, token)
    return page(
        "You are invited",
        alert(error),
        _about(invitation),
        paragraph(f"{invitation.email} has no account here yet. Choose a password to open one."),
        form(OPEN, *fields),
        service_links([(one.title, to.start(one.name)) for one in invitation.ways.providers]),
        link(_sign_in_instead(token), "Sign in with an account that you have"),
    )


def open_with_service(token: str, invitation: OpenInvitation, error: str = "") -> str:
    """Return the page for a person who signed in at another service, and who has no account here."""
    known, back = invitation.ways.newcomer, link(_sign_in_instead(token), "Sign in in another way")
    if invitation.opening is Opening.CLOSED:
        wrong = f"{known} has no account here. {NO_ACCOUNT}"
    elif known != invitation.email:
        wrong = (
            f"{known} has no account here. This invitation opens an account only for {invitation.email}: sign in there "
            "with this address, or use the link in the mail."
        )
    else:
        agree = form(OPEN_WITH_PASS, hidden("token", token), button(f"Open the account of {known} and accept"))
        text = paragraph(f"{known} has no account here yet. You will sign in to it with the service that you used now.")
        return page("You are invited", alert(error), _about(invitation), text, agree, back)
    return page("You are invited", alert(error or wrong), _about(invitation), back)


def sign_in(token: str, invitation: OpenInvitation, email: str = "", error: str = "") -> str:
    """Return the page that shows the invitation, and asks for the sign-in."""
    about = _about(invitation)
    if invitation.opening is Opening.HAS_ACCOUNT:
        email = email or invitation.email
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
        _without_account(token, invitation),
    )


def mail_sent(email: str) -> str:
    text = f"A mail is on its way to {email}. Its link opens an account, or signs in to the one that the address has."
    hint = "It can take a minute. The link of an earlier mail no longer works. No mail? Look into the spam folder too."
    return page("Look into your mailbox", paragraph(text), small(hint))


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
    about = facts(("Project" if joined.project else "Organisation", name), ("Slug", slug), ("Role", joined.role.value))
    command = f"bunbase projects use {slug}" if joined.project else f"bunbase members list --org {slug}"
    login = command_for(public_url, "bunbase login")
    title = "You are a member already" if joined.already_member else "You are a member now"
    return page(title, about, paragraph(f"On your machine: {login}, and then {command}"))


def _about(invitation: OpenInvitation) -> str:
    return facts(
        (f"You are invited to the {invitation.kind.value}", invitation.target),
        ("Role", invitation.role.value),
        ("By", invitation.inviter or "a former member"),
        ("Sent to", invitation.email),
    )


def _without_account(token: str, invitation: OpenInvitation) -> str:
    """Return the part for a person who has no account."""
    match invitation.opening:
        case Opening.HERE:
            return link(ActPage(PageName.INVITE, token).address, f"No account yet? Open one for {invitation.email}")
        case Opening.BY_MAIL:
            send = button(f"Send a mail to {invitation.email}", second=True)
            text = "No account yet? We send a mail to the invited address. Its link opens an account."
            return small(text) + "\n" + form(SEND, hidden("token", token), send)
        case Opening.CLOSED:
            return small(NO_ACCOUNT)
        case Opening.HAS_ACCOUNT:
            return ""
        case other:
            assert_never(other)


def _sign_in_instead(token: str) -> str:
    return f"{ActPage(PageName.INVITE, token).address}&way={SIGN_IN}"


def failed(title: str, detail: str, path: str) -> str:
    """Return the page for an error after which the form cannot be used."""
    return page(title, alert(detail) if detail != title else "")
