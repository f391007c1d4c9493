"""`bunbase auth`: the settings of a project for its users, on the server and in `[auth]` of bunbase.toml."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.auth_file import checked, differences, pulled
from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import OK, Stale, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.plans.auth import auth_changes, set_auth, shown_auth
from bunbase.cli.plans.changes import check_losing
from bunbase.cli.plans.pushing import AllowLosing
from bunbase.cli.project_file import project_file_path, read_project_file
from bunbase.cli.prompts import Yes, confirm
from bunbase.cli.session import Session, open_session
from bunbase.cli.toml_writing import write_tables

Now = Annotated[
    bool, Parameter(negative="", show_default=False, help="Replace all keys at once, if somebody may have stolen one.")
]

app = App(name="auth", help="Show, pull, push and compare the settings for the users of a project's app.")


@app.command
def show(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the settings that differ from the defaults. Secrets are never shown.

    Example: bunbase auth show
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        shown = _shown(session, flags.project)
    if flags.json:
        out.document(shown)
        return
    chosen = differences(pulled({**shown, "secrets": ()}, {}), {"secrets": ()})
    out.table(("setting", "value"), [(name, _text(value)) for name, value, _ in chosen])
    out.line(f"Secrets that are set: {', '.join(shown['secrets']) or 'none'}.")


@app.command
def pull(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Write the settings of the project to [auth] of bunbase.toml. Secrets become names of environment variables.

    `bunbase pull` writes the collections and functions too.

    Example: bunbase auth pull
    """
    out = Output(flags.json)
    before = read_project_file().auth
    with open_session(flags) as session:
        table = pulled(_shown(session, flags.project), before)
    write_tables({"auth": table})
    if flags.json:
        out.document({"auth": table})
    out.done(f"[auth] in {project_file_path()} has the settings of the project.")


@app.command
def push(*, allow_losing: AllowLosing = (), flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Set the settings that [auth] of bunbase.toml names. All other settings keep their values.

    A stored secret stays if its environment variable is not set. `bunbase deploy` sets these settings too.

    Example: bunbase auth push
    """
    out = Output(flags.json)
    table = _table()
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        shown = shown_auth(session, project)
        check_losing(auth_changes(table, shown), allow_losing)
        version = set_auth(session, project, table, shown)
    changed = version != shown["version"]
    if flags.json:
        out.document({"changed": changed, "version": version})
    out.done("The settings are in force." if changed else "The project has these settings already.")


@app.command
def diff(*, flags: ProjectFlags = PROJECT_FLAGS) -> int:
    """Show the settings of [auth] in bunbase.toml whose values differ in the project. The exit code is then 5.

    `bunbase diff` shows the changes of collections and functions too.

    Example: bunbase auth diff
    """
    out = Output(flags.json)
    table = _table()
    with open_session(flags) as session:
        found = differences(table, _shown(session, flags.project))
    if flags.json:
        out.document({"items": [{"setting": name, "file": mine, "server": theirs} for name, mine, theirs in found]})
    elif found:
        out.table(("setting", "in the file", "on the server"), [(name, _text(a), _text(b)) for name, a, b in found])
    else:
        out.done("The project has all settings of the file.")
    return Stale.exit_code if found else OK


@app.command
def rotate_key(*, now: Now = False, yes: Yes = False, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Make a new key for the tokens of the project's users. Nobody is signed out.

    The server publishes the next key at once, and signs with it a few minutes later. Keys also rotate by age.

    Example: bunbase auth rotate-key
    """
    out = Output(flags.json)
    if now:
        out.warn(
            "This ends all access tokens of the project's users, its custom tokens and its service tokens. Users stay "
            "signed in: their apps refresh. Servers that cache the public keys follow when they read them again."
        )
        confirm(yes)
    with open_session(flags) as session:
        path = at("projects", needed_project(flags.project, session), "auth", "signing-keys", "rotate")
        rotated = session.ask(dict, Call("POST", path, json={"now": now}))
    if flags.json:
        out.document(rotated)
    out.done("All keys are replaced." if now else "The next key is published, and signs in a few minutes.")


def _table() -> dict[str, Any]:
    """Return the table `[auth]` of bunbase.toml. Raises: Usage."""
    table = read_project_file().auth
    if not table:
        raise Usage(f"{project_file_path()} has no table [auth]. To write it: bunbase auth pull", "no_auth_table")
    return checked(table)


def _shown(session: Session, project: str) -> dict[str, Any]:
    return shown_auth(session, needed_project(project, session))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
