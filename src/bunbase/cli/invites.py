"""`bunbase invites`: invite people to a project or an organisation, and accept invitations."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from bunbase.cli.account import NO_PASSWORD_FLAGS
from bunbase.cli.errors import NotSignedIn
from bunbase.cli.flags import GROUP_FLAGS, SERVER_FLAGS, GroupFlags, ServerFlags
from bunbase.cli.groups import RoleName, group_path
from bunbase.cli.http import Call
from bunbase.cli.output import Output
from bunbase.cli.registration import MEMBERS_PAGE, check_link, join_with_a_new_account, tell_what_was_joined, token_in
from bunbase.cli.session import Session, open_session
from bunbase.contracts.invitations import MAILED
from bunbase.contracts.platform import AcceptedInvite, Invite, Invites

InviteId = Annotated[str, Parameter(help="The invitation's id, from `bunbase invites list`.")]

app = App(name="invites", help="Invite people to a project or an organisation, and accept invitations.")


@app.command(name="list")
def list_invites(*, flags: GroupFlags = GROUP_FLAGS) -> None:
    """Show the open invitations of the project, or of an organisation, newest first.

    Example: bunbase invites list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        invites = session.ask_all(Invites, Call("GET", f"{group_path(flags, session)}/invites"))
    if flags.json:
        out.document(invites)
        return
    rows = [
        (one.email, one.role.value, one.inviter or one.invited_by, one.id, one.created_at, one.expires_at)
        for one in invites.items
    ]
    out.table(("email", "role", "by", "id", "created", "expires"), rows)


@app.command
def create(
    email: Annotated[str, Parameter(help="The address to send the invitation to.")],
    /,
    *,
    role: Annotated[RoleName, Parameter(help="The role that the person gets.")] = "developer",
    flags: GroupFlags = GROUP_FLAGS,
) -> None:
    """Invite a person by mail, and show the link once. The link works only once, within 7 days.

    Example: bunbase invites create bob@example.com --role viewer
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        call = Call("POST", f"{group_path(flags, session)}/invites", json={"email": email, "role": role})
        _show(session.ask(Invite, call), out)


@app.command
def resend(id: InviteId, /, *, flags: GroupFlags = GROUP_FLAGS) -> None:
    """Send a new link by mail, and show it once. The old link stops working.

    Example: bunbase invites resend ivt_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        _show(session.ask(Invite, Call("POST", f"{group_path(flags, session)}/invites/{id}/resend")), out)


@app.command
def delete(id: InviteId, /, *, flags: GroupFlags = GROUP_FLAGS) -> None:
    """Withdraw an invitation. The link of the invitation stops working at once.

    Example: bunbase invites delete ivt_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        session.ask(type(None), Call("DELETE", f"{group_path(flags, session)}/invites/{id}"))
    if flags.json:
        out.document({"id": id, "deleted": True})
    out.done("The invitation is withdrawn.")


@app.command
def accept(
    link: Annotated[str, Parameter(help="The link of the invitation, or the token in it (binm_… or binv_…).")],
    /,
    *,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Accept an invitation with the account that you are signed in with.

    If you are not signed in, and the invited address has no account yet, you can open an account with the link in the
    mail.

    Example: bunbase invites accept https://api.example.com/invite#token=abc
    """
    out = Output(flags.json)
    with open_session(flags, link) as session:
        if not session.token and not session.known().access_token:
            _accept_without_account(session, link, out)
            return
        joined = session.ask(AcceptedInvite, Call("POST", "/api/invites/accept", json={"token": token_in(link)}))
    if flags.json:
        out.document(joined)
    tell_what_was_joined(joined, out)


def _accept_without_account(session: Session, link: str, out: Output) -> None:
    """Open an account if a person is at the terminal and the link comes from the mail.

    Raises: Failure; NotSignedIn in all other cases.
    """
    sign_in = f"bunbase login --url {session.url}"
    if not session.attended or not token_in(link).startswith(MAILED):
        raise NotSignedIn(
            f"You are not signed in to {session.url}. Run: {sign_in}. If you have no account there: bunbase register "
            f"--invite '{link}'"
        )
    check_link(session, MEMBERS_PAGE, token_in(link))
    out.hint(f"You are not signed in, so this opens an account. If you have one, stop this with Ctrl-C: {sign_in}")
    join_with_a_new_account(session, link, NO_PASSWORD_FLAGS, "", out)


def _show(invite: Invite, out: Output) -> None:
    if out.json:
        out.document(invite)
        return
    out.facts((("email", invite.email), ("role", invite.role.value), ("id", invite.id), ("expires", invite.expires_at)))
    out.line(invite.url or "")
    out.hint("The link will not be shown again. Whoever has the link can accept the invitation.")
    if invite.admits_newcomers:
        out.hint("A person without an account opens one by the mail; the page of this link can send it again.")
    else:
        out.warn(
            "Here, your invitation opens no account. A person who has none needs an invitation by an administrator of "
            "the server first."
        )
