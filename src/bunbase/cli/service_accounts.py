"""`bunbase service-accounts`: list, create and delete a project's service accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.scope_flags import ScopeFlags, shown
from bunbase.cli.session import open_session
from bunbase.contracts.service_accounts import ServiceAccount, ServiceAccounts

PATH = "service-accounts"

app = App(name=PATH, help="List, create and delete a project's service accounts.")


@app.command(name="list")
def list_accounts(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show a project's service accounts, newest first. A client secret is shown only once, when it is made.

    Example: bunbase service-accounts list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        accounts = session.ask(ServiceAccounts, Call("GET", at("projects", project, PATH)))
    if flags.json:
        out.document(accounts)
        return
    rows = [
        (one.client_id, one.name, shown(one.scopes, ""), "key" if one.public_key else "secret", one.last_used_at)
        for one in accounts.items
    ]
    out.table(("client id", "name", "scopes", "proof", "last used"), rows)


@app.command
def create(
    name: Annotated[str, Parameter(help="A name that tells you which program uses the account.")],
    /,
    *,
    scope: ScopeFlags,
    public_key: Annotated[
        Path | None,
        Parameter(
            show_default=False,
            help="A PEM file with the program's public key. Without it, the account gets a client secret.",
        ),
    ] = None,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Make a service account, and show its client secret once.

    A program exchanges the secret for tokens at /v1/auth/token. Each token is valid for ten minutes.

    Example: bunbase service-accounts create "nightly report" --scope data:read
    """
    out = Output(flags.json)
    body: dict[str, Any] = {"name": name, "scopes": scope}
    if public_key is not None:
        body["public_key"] = _text_of(public_key)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        new = session.ask(ServiceAccount, Call("POST", at("projects", project, PATH), json=body))
    if flags.json:
        out.document(new)
    else:
        out.table(("client id", "client secret"), [(new.client_id, new.client_secret or "none: it has a public key")])
    if new.client_secret:
        out.hint("The client secret will not be shown again.")


@app.command
def delete(
    client_id: Annotated[str, Parameter(help="The client id, from `bunbase service-accounts list`.")],
    /,
    *,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Delete a service account. The account and its tokens stop working within a second.

    Example: bunbase service-accounts delete sa_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        session.ask(type(None), Call("DELETE", at("projects", project, PATH, client_id)))
    if flags.json:
        out.document({"client_id": client_id, "deleted": True})
    out.done(f"{client_id} no longer works.")


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"The public key cannot be read from {file}: {error}") from None
