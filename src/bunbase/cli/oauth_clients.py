"""`bunbase oauth-clients`: applications that sign people in with their BunBase account, for administrators."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.prompts import Yes, confirm
from bunbase.cli.session import Session, open_session
from bunbase.contracts.bunauth.openid import OAuthClient, OAuthClients

PATH = "oauth-clients"

app = App(name=PATH, help="List, create, rotate and delete applications that sign people in with BunBase.")

Id = Annotated[str, Parameter(help="The client's id, from `bunbase oauth-clients list`.")]


class Issuer(msgspec.Struct, frozen=True):
    """The part of the discovery document that this module reads."""

    issuer: str


@app.command(name="list")
def list_clients(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Show all clients, newest first. A client secret is shown only once, when it is made.

    Example: bunbase oauth-clients list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        clients = session.ask(OAuthClients, Call("GET", at("admin", PATH)))
    if flags.json:
        out.document(clients)
        return
    rows = [
        (one.id, one.name, one.kind.value, "yes" if one.first_party else "no", " ".join(one.redirect_uris))
        for one in clients.items
    ]
    out.table(("id", "name", "kind", "first party", "redirect URIs"), rows)


@app.command
def create(
    name: Annotated[str, Parameter(help="The name that people see when they sign in.")],
    redirect_uri: Annotated[tuple[str, ...], Parameter(help="The redirect URIs of the application; at least one.")],
    /,
    *,
    confidential: Annotated[
        bool, Parameter(negative="", help="The client is a server, and gets a client secret.")
    ] = False,
    first_party: Annotated[
        bool,
        Parameter(negative="", help="The client is your own application, which needs no consent and gets full access."),
    ] = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Register an application, and show its client secret once.

    Example: bunbase oauth-clients create Grafana https://grafana.example.com/login
    """
    kind = "confidential" if confidential else "public"
    body: dict[str, Any] = {"name": name, "redirect_uris": redirect_uri, "kind": kind, "first_party": first_party}
    with open_session(flags) as session:
        # get the issuer first: if this request failed after the creation, the secret would be lost
        issuer = "" if flags.json else _issuer(session)
        made = session.ask(OAuthClient, Call("POST", at("admin", PATH), json=body))
    _show(made, issuer, flags)


@app.command
def rotate(id: Id, /, *, yes: Yes = False, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Make a new client secret, and show it once. The old secret stops working at once.

    Example: bunbase oauth-clients rotate oac_1
    """
    with open_session(flags) as session:
        Output(flags.json).warn(f"The present secret of {_named(id, session)} stops working at once.")
        confirm(yes)
        issuer = "" if flags.json else _issuer(session)
        made = session.ask(OAuthClient, Call("POST", at("admin", PATH, id, "rotate")))
    _show(made, issuer, flags)


@app.command
def delete(id: Id, /, *, yes: Yes = False, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Delete a client. All its sessions end within a second.

    Example: bunbase oauth-clients delete oac_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        named = _named(id, session)
        out.warn(f"This deletes {named}: nobody can sign in to the application with BunBase any more.")
        confirm(yes)
        session.ask(type(None), Call("DELETE", at("admin", PATH, id)))
    if flags.json:
        out.document({"id": id, "deleted": True})
    out.done(f"{named} is deleted.")


def _named(id: str, session: Session) -> str:
    """Return the name of a client for a question. If the client is unknown, the next request reports this."""
    found = session.ask(OAuthClients, Call("GET", at("admin", PATH))).items
    return next((f"{one.name} ({id})" for one in found if one.id == id), id)


def _issuer(session: Session) -> str:
    """Return the issuer. The application compares it with the `iss` of tokens, character by character."""
    return session.ask(Issuer, Call("GET", "/.well-known/openid-configuration")).issuer


def _show(made: OAuthClient, issuer: str, flags: ServerFlags) -> None:
    out = Output(flags.json)
    if flags.json:
        out.document(made)
    else:
        secret = (("client secret", made.client_secret),) if made.client_secret else ()
        out.facts((("issuer", issuer), ("client id", made.id), ("name", made.name), *secret))
        if not made.client_secret:
            out.hint("A public client has no secret.")
    if made.client_secret:
        out.hint("The client secret will not be shown again.")
