"""`bunbase admin invites`: invite people to open an account on the installation."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.session import open_session
from bunbase.contracts.bunauth.invites import AccountInvite, AccountInvites

INVITES: Final = "/api/invites"

app = App(name="invites", help="Invite people to open an account, list open invitations, and withdraw them.")


@app.command(name="list")
def list_invites(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Show the open invitations, newest first.

    Example: bunbase admin invites list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask_all(AccountInvites, Call("GET", INVITES))
    if flags.json:
        out.document(found)
        return
    rows = [
        (one.id, one.email, one.role, one.inviter or one.invited_by, one.created_at, one.expires_at)
        for one in found.items
    ]
    out.table(("id", "email", "role", "by", "created", "expires"), rows)


@app.command
def create(
    email: Annotated[
        str,
        Parameter(
            show_default=False, help="The only address that may use it. BunBase sends a mail to it. Default: any."
        ),
    ] = "",
    /,
    *,
    role: Annotated[Literal["user", "admin"], Parameter(help="The role in the installation.")] = "user",
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Create an invitation, and show its link once. A person can open an account with the link once, within 7 days.

    Example: bunbase admin invites create bob@example.com
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        made = session.ask(AccountInvite, Call("POST", INVITES, json={"email": email or None, "role": role}))
    if flags.json:
        out.document(made)
        return
    out.facts((("email", made.email), ("role", made.role), ("id", made.id), ("expires", made.expires_at)))
    out.line(made.url or "")
    out.hint("The link will not be shown again.")


@app.command
def delete(
    id: Annotated[str, Parameter(help="The invitation's id, from `bunbase admin invites list`.")],
    /,
    *,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Withdraw an invitation. The link of the invitation stops working at once.

    Example: bunbase admin invites delete ain_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        session.ask(type(None), Call("DELETE", at("invites", id)))
    if flags.json:
        out.document({"id": id, "deleted": True})
    out.done("The invitation is withdrawn.")
