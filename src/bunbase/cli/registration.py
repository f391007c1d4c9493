"""`bunbase register`: open an account, with or without an invitation."""

from __future__ import annotations

import os
import secrets
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.account import (
    NO_PASSWORD_FLAGS,
    PASSWORD,
    PasswordFlags,
    email_of,
    keep,
    password_of,
    warn_of_plain_http,
)
from bunbase.cli.address import PAGES
from bunbase.cli.errors import Failure, Refused
from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, decode
from bunbase.cli.output import Output
from bunbase.cli.prompts import ask, is_attended
from bunbase.cli.session import Session, Setup, open_session
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.invitations import MAILED, SHOWN, AcceptedInvite, InvitedSignIn

SETUP_TOKEN: Final = "BUNBASE_SETUP_TOKEN"
MAIL_SENT: Final = 202
EMAIL_TAKEN: Final = "email_taken"
ACCOUNT_PAGE, MEMBERS_PAGE = PAGES
PRODUCTION: Final = "production"
# the page of an invitation answers with one of these statuses if the invitation does not work
DEAD: Final = (403, 404, 410)
INVITED: Final = "the invited address"


def register(
    *,
    credentials: PasswordFlags = NO_PASSWORD_FLAGS,
    name: Annotated[str, Parameter(show_default=False, help="Your name.")] = "",
    setup_token: Annotated[
        str,
        Parameter(
            show_default=False,
            help=f"The setup token, which a production server requires for its first account. Default: {SETUP_TOKEN}.",
        ),
    ] = "",
    invite: Annotated[
        str,
        Parameter(show_default=False, help="The link of an invitation, or the token in it (biv_…, binm_… or binv_…)."),
    ] = "",
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Create an account; the first one on a server becomes its administrator.

    If everybody may register on the server, it first sends you a mail with a link that opens the account. With an
    invitation to a project or an organisation, the account gets the invited address and becomes a member.

    Example: bunbase register --email ada@example.com
    """
    out = Output(flags.json)
    with open_session(flags, invite) as session:
        session.check_named()
        if of_members(invite):
            join_with_a_new_account(session, invite, credentials, name, out)
            return
        # send this request before the first question, because the server may not answer
        setup = decode(session.http.send(Call("GET", "/api/instance")), Setup)
        setup_token = setup_token or os.environ.get(SETUP_TOKEN, "")
        _check_possible(session, setup, setup_token, invite)  # check this before the person thinks of a password
        mailed = setup.confirms_signups and not invite
        warn_of_plain_http(session.url, out)
        account = {
            "email": email_of(credentials),
            "name": name or _asked_name(out),
            "password": _new_password(credentials, mailed),
        }
        if setup_token:
            account["setup_token"] = setup_token
        if invite:
            account["invite"] = token_in(invite)
        answer = session.http.send(Call("POST", "/api/auth/register", json=account))
        if answer.status_code == MAIL_SENT:
            _tell_of_the_mail(session, account["email"], out)
            return
        keep(session, decode(answer, SignedIn), out)
        out.hint("Next: bunbase projects create <name>")


def join_with_a_new_account(session: Session, link: str, given: PasswordFlags, name: str, out: Output) -> None:
    """Open an account with an invitation to a project or an organisation, and accept the invitation.

    Raises: Failure. If the address already has an account, the error tells the user how to continue.
    """
    token = token_in(link)
    body = {"token": token}
    if token.startswith(MAILED):
        check_link(session, MEMBERS_PAGE, token)
        warn_of_plain_http(session.url, out)
        body |= {"name": name or _asked_name(out), "password": password_of(given, again=True)}
    answer = session.http.send(Call("POST", "/api/invites/register", json=body))
    if answer.status_code == MAIL_SENT:
        _tell_of_the_mail(session, INVITED, out)
        return
    try:
        opened = decode(answer, InvitedSignIn)
    except Refused as refused:
        if refused.code != EMAIL_TAKEN:
            raise
        advice = f"Sign in: bunbase login --url {session.url}. Then: bunbase invites accept '{link}'"
        raise Failure(EMAIL_TAKEN, f"The invited address has an account already. {advice}") from None
    keep(session, opened, out, opened.joined)
    tell_what_was_joined(opened.joined, out)


def check_link(session: Session, page: str, token: str) -> None:
    """Raises: Failure if the page of the invitation reports that the invitation does not work."""
    answer = session.http.send(Call("GET", page, params={"token": token}))
    if answer.status_code in DEAD and answer.headers.get("content-type", "").startswith("text/html"):
        raise Failure(
            "link_expired",
            f"{session.url} has no such invitation, or it was used or withdrawn, or has expired, or opens no account. "
            "If the invitation is of another server, pass the whole link, or --url. If you have opened your account "
            f"with it: bunbase login --url {session.url}. Otherwise ask the person who invited you for a new one.",
        )


def _check_possible(session: Session, setup: Setup, setup_token: str, invite: str) -> None:
    """Raises: Failure if the registration would fail with any password."""
    if not setup.setup_complete:
        if setup.mode == PRODUCTION and not setup_token:
            raise Failure(
                "setup_token_required",
                f"The first account of {session.url} needs the setup token, which `bunbase serve` printed at its first "
                f"start. Pass it: --setup-token, or {SETUP_TOKEN}",
            )
    elif invite:
        check_link(session, ACCOUNT_PAGE, token_in(invite))
    elif setup.signups == "invite":
        raise Failure(
            "signups_closed",
            f"{session.url} admits only people with an invitation. Ask a member of a project there, or an "
            "administrator, for one. Then: bunbase register --invite '<link>'",
        )
    elif setup.signups == "closed":
        raise Failure(
            "signups_closed",
            f"{session.url} opens no new accounts. Its operator can change that with the setting bunauth.signups.",
        )


def tell_what_was_joined(joined: AcceptedInvite, out: Output) -> None:
    place = joined.project or joined.org
    named = f"{place.name} ({place.slug})" if place else "it"
    told = f"You were a member of {named} already" if joined.already_member else f"You are a member of {named} now"
    out.done(f"{told}. Your role: {joined.role.value}.")
    if joined.project:
        out.hint(f"Next: bunbase projects use {joined.project.slug}")


def token_in(link: str) -> str:
    """Return the token of a link. Links in older mails contain the token after `#`."""
    return link.rpartition("#")[2].rpartition("token=")[2].strip()


def of_members(link: str) -> bool:
    """True for an invitation to a project or an organisation."""
    return token_in(link).startswith((f"{SHOWN}_", f"{MAILED}_"))


def _asked_name(out: Output) -> str:
    """Ask a person at a terminal for a name. An empty line means no name. Scripts pass `--name` instead."""
    return ask("Your name, which other members see", "") if is_attended() and not out.json else ""


def _tell_of_the_mail(session: Session, email: str, out: Output) -> None:
    """Tell the person the next step. Later commands use this server."""
    with session.file.changing() as credentials:
        credentials.current = session.url
    if out.json:
        out.document({"status": "confirmation_sent", "email": email})
    out.done(f"A mail is on its way to {email}. Its link opens the account, and the password is chosen there.")
    out.hint(f"Then: bunbase login --url {session.url}")


def _new_password(given: PasswordFlags, mailed: bool) -> str:
    """Return the password of a new account. `mailed`: the server ignores the password, so nobody is asked for it."""
    if mailed and not given.password_stdin and not os.environ.get(PASSWORD, ""):
        return secrets.token_urlsafe(24)
    return password_of(given, again=True)
