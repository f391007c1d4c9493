"""`bunbase env`: the variables of a project's functions."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.env_files import read_env_file
from bunbase.cli.env_pull import pull
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.prompts import ask_secret, secret_from_input
from bunbase.cli.session import Session, open_session
from bunbase.contracts.functions.variables import Variable, Variables

NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")  # the server checks names by the same rule

Assignment = Annotated[
    str,
    Parameter(
        help="NAME=VALUE. With NAME alone, the command asks for the value, or reads stdin if it is not a terminal."
    ),
]

EnvFile = Annotated[
    Path | None, Parameter(name="--file", show_default=False, help="A .env file, with one NAME=VALUE on each line.")
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

app = App(name="env", help="Set, list, pull and remove variables of functions.")
app.command(pull)


@app.command(name="set")
def set_variables(
    *variables: Assignment, file: EnvFile = None, hidden: Hidden = None, flags: ProjectFlags = PROJECT_FLAGS
) -> None:
    """Set variables. Functions see the new values in their next call.

    Variables on the command line replace variables of --file with the same name.

    Example: bunbase env set GREETING=Ahoy
    """
    given = _given(variables, file)
    out = Output(flags.json)
    if any(value for _, _, value in (one.partition("=") for one in variables)):
        out.hint("A value in the command line stays in the history of the shell. Write NAME alone to be asked for it.")
    exposed = {} if hidden is None else {"exposed": not hidden}
    stored: list[Variable] = []
    with open_session(flags) as session:
        for name, value in given.items():
            body: dict[str, Any] = {"value": value, **exposed}
            stored.append(session.ask(Variable, Call("PUT", _path(flags, session, name), json=body)))
            out.done(f"{name} is set.")
    if flags.json:
        out.document(Variables(tuple(stored)))


@app.command(name="list")
def list_variables(
    *,
    reveal: Annotated[
        bool, Parameter(negative="", show_default=False, help="Also show the values; only admins can.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show the variables, ordered by name.

    Example: bunbase env list
    """
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
    if not variables.items:
        out.hint("The project has no variables. Set one: bunbase env set NAME=VALUE")


@app.command
def unset(
    name: Annotated[str, Parameter(help="The variable's name.")], /, *, flags: ProjectFlags = PROJECT_FLAGS
) -> None:
    """Remove a variable.

    Example: bunbase env unset GREETING
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        session.ask(type(None), Call("DELETE", _path(flags, session, name)))
    if flags.json:
        out.document({"name": name, "unset": True})
    out.done(f"{name} is unset.")


def _given(variables: tuple[str, ...], file: Path | None) -> dict[str, str]:
    """Return the variables to set, in order. Every name is checked before the first variable is set. Raises: Usage."""
    given = {} if file is None else read_env_file(file)
    named = [variable.partition("=") for variable in variables]
    if not named and not given:
        raise Usage("Name at least one variable: NAME=VALUE, NAME alone to be asked for the value, or --file .env")
    for name in (*given, *(name for name, _, _ in named)):
        if not NAME.fullmatch(name):
            raise Usage(
                f'"{name}" cannot be a variable: a name has at most 64 characters (A-Z, 0-9, _), and the first one is '
                "not a digit."
            )
    if sum(not equals for _, equals, _ in named) > 1 and not sys.stdin.isatty():
        raise Usage("Only one value can be read from stdin. Write the other variables as NAME=VALUE.")
    return given | {name: value if equals else _asked(name) for name, equals, value in named}


def _asked(name: str) -> str:
    if sys.stdin.isatty():
        value = ask_secret(f"Value of {name}", f"Write {name}=VALUE, or send the value to stdin.")
    else:
        value = secret_from_input()
    if not value:
        raise Usage(f"No value was given. To set an empty value, write {name}=")
    return value


def _seen(variable: Variable) -> str:
    return "its value" if variable.exposed else "nothing (hidden)"


def _path(flags: ProjectFlags, session: Session, *name: str) -> str:
    return at("projects", needed_project(flags.project, session), "env", *name)
