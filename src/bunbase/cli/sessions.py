"""`bunbase sessions`: list and end the sessions of your account."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import App, Parameter

from bunbase.cli.errors import Usage
from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.session import open_session
from bunbase.contracts.bunauth.accounts import AccountSessions

SESSIONS: Final = "/api/auth/sessions"

app = App(name="sessions", help="List and end the sessions of your account: the places where you are signed in.")


@app.command(name="list")
def list_sessions(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Show your open sessions, newest first, with their devices, addresses and applications.

    A command or page refreshes its session about every 15 minutes while it is in use. If one machine has two sessions,
    the session with the older refresh is probably no longer in use.

    Example: bunbase sessions list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask_all(AccountSessions, Call("GET", SESSIONS))
    if flags.json:
        out.document(found)
        return
    rows = [
        (
            one.id,
            "this one" if one.current else "",
            one.client,
            one.ip,
            one.agent,
            one.created_at,
            one.last_used_at,
            one.expires_at,
        )
        for one in found.items
    ]
    out.table(("id", "current", "application", "address", "device", "signed in", "last refresh", "ends"), rows)


@app.command
def end(
    id: Annotated[str, Parameter(show_default=False, help="The id of the session, from `bunbase sessions list`.")] = "",
    /,
    *,
    others: Annotated[bool, Parameter(negative="", help="End all sessions except the one of this command.")] = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """End one session, or all other sessions. The tokens of the ended sessions stop working everywhere within a second.

    Example: bunbase sessions end --others
    """
    if id and others:
        raise Usage("Name one session or pass --others, not both.")
    if not id and not others:
        raise Usage("Name a session, or pass --others.")
    out = Output(flags.json)
    with open_session(flags) as session:
        call = Call("DELETE", at("auth", "sessions", id)) if id else Call("DELETE", f"{SESSIONS}?keep_current=true")
        session.ask(type(None), call)
    if flags.json:
        out.document({"id": id or None, "ended": True})
    out.done(f"Session {id} has ended." if id else "All other sessions have ended.")
