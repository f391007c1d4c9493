"""`bunbase env`: the variables of a project's functions."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.prompts import ask_secret, secret_from_input
from bunbase.cli.session import Session, open_session
from bunbase.contracts.functions.variables import Variable, Variables

Assignment = Annotated[
    str,
    Parameter(
        help="NAME=VALUE. With NAME alone, the command asks for the value, or reads stdin if it is not a terminal."
    ),
]

Hidden = Annotated[
    bool | None,
    Parameter(
        name="--hidden",
        negative="--exposed",
        show_default=False,
        help="Hide the value from functions. They can only send it: {{NAME}} in a header of fetch becomes the value.",
    ),
]

app = App(name="env", help="Set, list and remove variables of a project's functions.")


@app.command(name="set")
def set_variable(variable: Assignment, /, *, hidden: Hidden = None, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Set a variable; functions see it from their next call on."""
    name, equals, value = variable.partition("=")
    if not name:
        raise Usage("Write NAME=VALUE, or NAME alone to be asked for the value.")
    if not equals:
        value = ask_secret(f"Value of {name}", "") if sys.stdin.isatty() else secret_from_input()
        if not value:
            raise Usage(f"No value was given. To set an empty value, write {name}=")
    out = Output(flags.json)
    body: dict[str, Any] = {"value": value} if hidden is None else {"value": value, "exposed": not hidden}
    with open_session(flags) as session:
        stored = session.ask(Variable, Call("PUT", _path(flags, session, name), json=body))
    if flags.json:
        out.document(stored)
    out.done(f"{name} is set.")


@app.command(name="list")
def list_variables(
    *,
    reveal: Annotated[
        bool, Parameter(negative="", show_default=False, help="Also show the values; only admins can.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show the variables, ordered by name."""
    out = Output(flags.json)
    params = {"reveal": "true"} if reveal else {}
    with open_session(flags) as session:
        variables = session.ask(Variables, Call("GET", _path(flags, session), params=params))
    if flags.json:
        out.document(variables)
    elif reveal:
        columns = ("name", "functions see", "value", "set")
        out.table(columns, [(v.name, _seen(v), v.value, v.updated_at) for v in variables.items])
    else:
        out.table(("name", "functions see", "set"), [(v.name, _seen(v), v.updated_at) for v in variables.items])


@app.command
def unset(
    name: Annotated[str, Parameter(help="The variable's name.")], /, *, flags: ProjectFlags = PROJECT_FLAGS
) -> None:
    """Remove a variable."""
    out = Output(flags.json)
    with open_session(flags) as session:
        session.ask(type(None), Call("DELETE", _path(flags, session, name)))
    if flags.json:
        out.document({"name": name, "unset": True})
    out.done(f"{name} is unset.")


def _seen(variable: Variable) -> str:
    return "its value" if variable.exposed else "nothing (hidden)"


def _path(flags: ProjectFlags, session: Session, *name: str) -> str:
    return at("projects", needed_project(flags.project, session), "env", *name)
