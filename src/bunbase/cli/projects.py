"""`bunbase projects`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bunbase.cli.chosen import choose, chosen_project
from bunbase.cli.credentials import ChosenProject, StoredKey
from bunbase.cli.errors import Failure
from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.project_file import NAME, read_project_file
from bunbase.cli.prompts import ask
from bunbase.cli.session import Session, open_session
from bunbase.contracts.platform import NewProject, Project, Projects

Named = Annotated[str, Parameter(help="Its id or slug.")]

app = App(name="projects", help="List, create, choose and delete projects.")


@app.command(name="list")
def list_projects(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Show your projects, newest first; the chosen one has a star."""
    out = Output(flags.json)
    with open_session(flags) as session:
        projects = session.ask_all(Projects, Call("GET", at("projects")))
        chosen = chosen_project("", session)
    if flags.json:
        out.document(projects)
        return
    rows = [
        ("*" if chosen in (p.id, p.slug) else " ", p.name, p.slug, p.id, p.role.value, p.created_at)
        for p in projects.items
    ]
    out.table(("", "name", "slug", "id", "your role", "created"), rows)
    if not projects.items:
        out.hint("You have no project yet. Make one: bunbase projects create <name>")


@app.command
def create(name: Annotated[str, Parameter(help="What to call it.")], /, *, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Make a project, keep its secret key on this machine, and choose it."""
    out = Output(flags.json)
    read_project_file()  # find its mistakes before there is a new project, not after
    with open_session(flags) as session:
        new = session.ask(NewProject, Call("POST", at("projects"), json={"name": name}))
        if flags.json:
            out.document(new)
        else:
            out.table(("key", "id", "value"), [(key.kind.value, key.id, key.key) for key in new.keys])
        keep_project(session, new, out)
    out.done(f"Made {new.name} ({new.slug}). The secret key is shown only now.")
    out.hint("Next: bunbase deploy" if Path(NAME).exists() else "Next: bunbase init, then bunbase deploy")


@app.command
def use(project: Named, /, *, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Choose the project that other commands act on; bunbase.toml, if there is one here, remembers it too."""
    out = Output(flags.json)
    read_project_file()
    with open_session(flags) as session:
        found = session.ask(Project, Call("GET", at("projects", project)))
        choose(ChosenProject(found.id, found.slug), session)
    if flags.json:
        out.document(found)
    out.done(f"Commands act on {found.name} ({found.slug}) from now on.")


@app.command
def delete(
    project: Named,
    /,
    *,
    confirm: Annotated[str, Parameter(show_default=False, help="The project's slug, to say it is meant.")] = "",
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Destroy a project's encryption key, and so everything in it, for good."""
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask(Project, Call("GET", at("projects", project)))
        if not confirm:
            out.warn(f"This destroys all data of {found.name} ({found.slug}), in backups too. There is no way back.")
            confirm = ask(f"Type {found.slug} to go on", f"Say that it is meant: --confirm {found.slug}")
        session.ask(type(None), Call("DELETE", at("projects", found.id), json={"confirm": confirm}))
        with session.changing() as known:
            known.forget_project(found.id)
    if flags.json:
        out.document({"id": found.id, "deleted": True})
    out.done(f"{found.name} ({found.slug}) is gone.")


def keep_project(session: Session, new: NewProject, out: Output) -> None:
    """Remember a new project and its keys.

    The project exists by now, so nothing that goes wrong here may hide its keys.
    """
    chosen = ChosenProject(new.id, new.slug)
    try:
        with session.changing() as known:
            for key in new.keys:
                known.keep(StoredKey(key.id, key.kind, key.key or "", chosen))
        choose(chosen, session)
    except Failure as failure:
        out.warn(f"The project was made, but could not be remembered: {failure.detail}")
