"""`bunbase users link` and `impersonate`: help one user."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.output import Output
from bunbase.cli.project_users import Named, ProjectUsers
from bunbase.cli.session import open_session
from bunbase.contracts.tenant_auth.impersonation import HandedLink, Impersonated

Kind = Annotated[Literal["password-reset", "sign-in", "verify-email"], Parameter(help="The effect of the link.")]
Target = Annotated[str, Parameter(show_default=False, help="The page of the app to which the link finally leads.")]
Why = Annotated[str, Parameter(show_default=False, help="A note for the audit log, such as the number of a ticket.")]


def link(user: Named, /, kind: Kind, *, redirect_to: Target = "", flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the link that a mail to the user would contain, once. No mail is sent.

    Example: bunbase users link eve@example.com --kind password-reset
    """
    out = Output(flags.json)
    body = {"kind": kind.replace("-", "_"), "redirect_to": redirect_to}
    with open_session(flags) as session:
        users = ProjectUsers(session, flags.project)
        made = users.ask(HandedLink, "POST", f"{users.path(user)}/links", body)
    if flags.json:
        out.document(made)
        return
    out.facts((("email", made.email), ("kind", kind), ("expires", made.expires_at)))
    out.line(made.url)
    out.hint("The link will not be shown again. Whoever has the link can use it, once.")


def impersonate(user: Named, /, *, reason: Why = "", flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show an access token with which you use the app in the user's place. The audit log and the user's sessions show
    this.

    Example: bunbase users impersonate eve@example.com --reason "ticket 4711"
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        users = ProjectUsers(session, flags.project)
        opened = users.ask(Impersonated, "POST", f"{users.path(user)}/impersonate", {"reason": reason})
    if flags.json:
        out.document(opened)
        return
    minutes = f"{opened.expires_in // 60} minutes"
    out.facts((("user", opened.user.id), ("session", opened.session), ("ends in", minutes)))
    out.line(opened.access_token)
    out.hint("It cannot change the password, the address, the factors or the sessions of the user.")
