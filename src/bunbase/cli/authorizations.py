"""`bunbase account authorizations`: the applications that you have allowed to sign you in."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import App, Parameter

from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.session import open_session
from bunbase.contracts.bunauth.openid import Authorizations

PATH: Final = "/api/auth/authorizations"

app = App(name="authorizations", help="List the applications that you have allowed to sign you in, and end one.")


@app.command(name="list")
def list_authorizations(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Show the applications that you have allowed, and what each of them may see.

    Example: bunbase account authorizations list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask(Authorizations, Call("GET", PATH))
    if flags.json:
        out.document(found)
        return
    rows = [(one.id, one.client, " ".join(one.scopes), one.created_at, one.last_used_at) for one in found.items]
    out.table(("id", "application", "scopes", "allowed", "last sign-in"), rows)
    if not found.items:
        out.hint("You have allowed no application.")


@app.command
def end(
    id: Annotated[str, Parameter(help="The id, from `bunbase account authorizations list`.")],
    /,
    *,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """End the authorization of an application. The sessions of the application end within a second, and the next
    sign-in needs your consent.

    Example: bunbase account authorizations end oac_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        session.ask(type(None), Call("DELETE", at("auth", "authorizations", id)))
    if flags.json:
        out.document({"id": id, "ended": True})
    out.done(f"{id} has ended.")
