"""`bunbase upgrade`: compare the version of this command with the version of the server."""

from __future__ import annotations

import msgspec
from cyclopts import App

from bunbase import __version__
from bunbase.cli.errors import OK, Stale
from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, decode
from bunbase.cli.output import Output
from bunbase.cli.session import open_session

app = App(name="upgrade", help="Compare the version of this command with the version of the server.")


class Served(msgspec.Struct, frozen=True):
    """The part of `GET /api/instance` that this module reads."""

    version: str


@app.command
def check(*, flags: ServerFlags = SERVER_FLAGS) -> int:
    """Show both versions. The exit code is 5 if they differ.

    The command sends a request only to the server of your projects.

    Example: bunbase upgrade check
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        served = decode(session.http.send(Call("GET", "/api/instance")), Served).version
    if flags.json:
        out.document({"command": __version__, "server": served, "equal": served == __version__})
    else:
        out.facts([("command", __version__), ("server", f"{served} at {session.url}")])
    if served == __version__:
        return OK
    older = "this command" if _numbers(__version__) < _numbers(served) else "the server"
    raise Stale(f"The versions differ: upgrade {older}. Both work together, but one lacks what the other can do.")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
