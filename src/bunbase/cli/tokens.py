"""`bunbase tokens`: list, create and delete your personal access tokens."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.scope_flags import DAY_SECONDS, ExpiryFlag, ScopeFlags, shown
from bunbase.cli.session import open_session
from bunbase.contracts.bunauth.tokens import PersonalToken, PersonalTokens
from bunbase.contracts.platform import Project

TOKENS = "/api/auth/tokens"

app = App(name="tokens", help="List, create and delete your personal access tokens.")


@app.command(name="list")
def list_tokens(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Show your personal access tokens, newest first. A token's value is shown only once, when it is made.

    Example: bunbase tokens list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        tokens = session.ask(PersonalTokens, Call("GET", TOKENS))
    if flags.json:
        out.document(tokens)
        return
    rows = [
        (
            one.id,
            one.name,
            shown(one.scopes, ""),
            shown(one.projects, "all"),
            one.client,
            one.last_used_at,
            one.expires_at,
        )
        for one in tokens.items
    ]
    out.table(("id", "name", "scopes", "projects", "made by", "last used", "expires"), rows)


@app.command
def create(
    name: Annotated[str, Parameter(help="A name that tells you where the token is used.")],
    /,
    *,
    scope: ScopeFlags = ("read", "write"),
    project: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="A project to which the token is bound, by id or slug. Repeat the flag for several. Default: all.",
        ),
    ] = (),
    expires_in_days: ExpiryFlag = None,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Make a personal access token and show its value once. Programs send it, or set BUNBASE_TOKEN for this command.

    Without --scope, the token has the scopes read and write.

    Example: bunbase tokens create ci --scope functions:deploy --expires-in-days 90
    """
    out = Output(flags.json)
    body: dict[str, Any] = {"name": name, "scopes": scope}
    if expires_in_days is not None:
        body["expires_in_seconds"] = expires_in_days * DAY_SECONDS
    with open_session(flags) as session:
        if project:
            body["projects"] = [session.ask(Project, Call("GET", at("projects", one))).id for one in project]
        new = session.ask(PersonalToken, Call("POST", TOKENS, json=body))
    if flags.json:
        out.document(new)
    else:
        out.table(("id", "scopes", "value"), [(new.id, shown(new.scopes, ""), new.token)])
    out.hint("The value will not be shown again.")


@app.command
def delete(
    id: Annotated[str, Parameter(help="The token's id, from `bunbase tokens list`.")],
    /,
    *,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Delete a personal access token: it stops working within a second.

    Example: bunbase tokens delete tok_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        session.ask(type(None), Call("DELETE", f"{TOKENS}/{id}"))
    if flags.json:
        out.document({"id": id, "deleted": True})
    out.done(f"{id} no longer works.")
