"""`bunbase users invites`: the open invitations to the app of a project."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call
from bunbase.cli.output import Output
from bunbase.cli.session import open_session
from bunbase.contracts.tenant_auth.signups import OpenUserInvites

INVITES = "/v1/auth/invites"

user_invites = App(
    name="invites", help="List and withdraw invitations to the app. To send one: `bunbase users invite`."
)


@user_invites.command(name="list")
def list_user_invites(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the invitations that nobody has accepted yet, newest first.

    Example: bunbase users invites list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        headers = {"x-bunbase-project": needed_project(flags.project, session)}
        invites = session.ask_all(OpenUserInvites, Call("GET", INVITES, headers=headers))
    if flags.json:
        out.document(invites)
        return
    rows = [(one.email, one.role, one.id, one.created_at, one.expires_at) for one in invites.items]
    out.table(("email", "role", "id", "created", "expires"), rows)


@user_invites.command
def withdraw(
    id: Annotated[str, Parameter(help="The invitation's id, from `bunbase users invites list`.")],
    /,
    *,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Withdraw an invitation. The link of the invitation stops working at once.

    Example: bunbase users invites withdraw ivt_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        headers = {"x-bunbase-project": needed_project(flags.project, session)}
        session.ask(type(None), Call("DELETE", f"{INVITES}/{quote(id, safe='')}", headers=headers))
    if flags.json:
        out.document({"id": id, "withdrawn": True})
    out.done("The invitation is withdrawn.")
