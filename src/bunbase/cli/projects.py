"""`bunbase projects`: list, create, clone, choose, move, delete and restore projects."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import App, Parameter

from bunbase.cli.chosen import choose, choose_on_this_machine, chosen_project
from bunbase.cli.credentials import ChosenProject, StoredKey
from bunbase.cli.errors import Failure, Refused
from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.project_copies.cloning import NewClone, cloned, told_users
from bunbase.cli.project_copies.parts import Extra, Part, With, Without
from bunbase.cli.project_file import NAME, project_file_path, read_project_file
from bunbase.cli.prompts import Yes, confirmed
from bunbase.cli.prompts import confirm as confirm_yes
from bunbase.cli.session import Session, open_session
from bunbase.contracts.platform import NewProject, Project, Projects

# the server answers with this code for a project that is deleted, but can be restored
DELETED: Final = "project_deleted"

Named = Annotated[str, Parameter(help="The project's id or slug.")]

app = App(name="projects", help="List, create, clone, choose, move and delete projects.")


@app.command(name="list")
def list_projects(
    *,
    deleted: Annotated[
        bool, Parameter(negative="", show_default=False, help="Show the deleted projects that can still be restored.")
    ] = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Show your projects, newest first; a star marks the chosen one.

    Example: bunbase projects list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        projects = session.ask_all(Projects, Call("GET", at("projects"), params={"deleted": "true"} if deleted else {}))
        chosen = chosen_project("", session)
    if flags.json:
        out.document(projects)
        return
    if deleted:
        waiting = [(p.name, p.slug, p.id, p.role.value, p.deleted_at, p.destroyed_after) for p in projects.items]
        out.table(("name", "slug", "id", "your role", "deleted", "destroyed after"), waiting)
        return
    rows = [
        ("*" if chosen in (p.id, p.slug) else " ", p.name, p.slug, p.id, p.role.value, p.created_at)
        for p in projects.items
    ]
    out.table(("chosen", "name", "slug", "id", "your role", "created"), rows)
    if not projects.items:
        out.hint("You have no project yet. Create one: bunbase projects create <name>")


@app.command
def create(
    name: Annotated[str, Parameter(help="The new project's name.")],
    /,
    *,
    org: Annotated[
        str,
        Parameter(
            show_default=False,
            help="The id or slug of the organisation that owns the project. Default: it belongs to you alone.",
        ),
    ] = "",
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Create a project and choose it; store its secret key on this machine.

    bunbase.toml does not change. To write the project there: bunbase projects use <slug>

    Example: bunbase projects create Shop
    """
    out = Output(flags.json)
    file = read_project_file()  # report mistakes in bunbase.toml before the project is created
    with open_session(flags) as session:
        new = session.ask(NewProject, Call("POST", at("projects"), json={"name": name} | ({"org": org} if org else {})))
        if flags.json:
            out.document(new)
        else:
            out.table(("key", "id", "value"), [(key.kind.value, key.id, key.key) for key in new.keys])
        keep_project(session, new, out, in_file=False)
    out.done(f"Made {new.name} ({new.slug}). The secret key will not be shown again.")
    if file.project.id or file.project.slug:
        out.warn(
            f"{project_file_path().absolute()} still names {file.project.slug or file.project.id}, so commands in its "
            f"folder act on that project. To change the file: bunbase projects use {new.slug}"
        )
    elif project_file_path().exists():
        out.hint(f"Next commands act on it: bunbase deploy. To write it to {NAME}: bunbase projects use {new.slug}")
    else:
        out.hint("Next commands act on it: bunbase init, then bunbase deploy")


@app.command
def clone(
    source: Annotated[str, Parameter(help="The id or slug of the project to copy.")],
    name: Annotated[str, Parameter(help="The new project's name.")],
    /,
    *,
    parts: With = (),
    without: Without = (),
    org: Annotated[
        str,
        Parameter(
            show_default=False,
            help="The id or slug of the organisation that owns the new project. Default: it belongs to you alone.",
        ),
    ] = "",
    flags: ServerFlags = SERVER_FLAGS,
) -> int:
    """Create a project that is a copy of another project: its documents, files, and collections with indexes and rules.

    The copy is encrypted with a key of its own. Functions, variables, settings for users, members and keys are not
    copied. The chosen project stays the same.

    Example: bunbase projects clone shop Staging --with users
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        copied = session.ask(Project, Call("GET", at("projects", source)))
        wanted = NewClone(name, copied.id, org=org, users=Extra.USERS in parts, files=Part.FILES not in without)
        new, job = cloned(session, wanted, out)
    out.done(f"{new.name} ({new.slug}) is a copy of {copied.name}. Its secret key will not be shown again.")
    out.hint(f"Next: bunbase projects use {new.slug}. Then deploy its functions and settings, and set its variables.")
    return told_users(job.users, out)


@app.command
def use(project: Named, /, *, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Choose the project that other commands act on.

    If this folder, or a folder above, has a bunbase.toml, the project is also written to that file.

    Example: bunbase projects use shop
    """
    out = Output(flags.json)
    read_project_file()
    with open_session(flags) as session:
        found = session.ask(Project, Call("GET", at("projects", project)))
        choose(ChosenProject(found.id, found.slug), session)
    if flags.json:
        out.document(found)
    if project_file_path().exists():
        out.hint(f"{project_file_path()} names this project now.")
    out.done(f"Commands now act on {found.name} ({found.slug}).")


@app.command
def delete(
    project: Named,
    /,
    *,
    confirm: Annotated[
        str, Parameter(show_default=False, help="The project's slug again, which confirms the deletion.")
    ] = "",
    now: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Destroy all data at once, without 7 days to restore it."),
    ] = False,
    yes: Yes = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Delete a project. For 7 days, you can bring it back with `bunbase projects restore`.

    The project stops working at once: BunBase refuses its keys and members. After 7 days, or at once with --now,
    BunBase destroys its encryption key. Then nobody can read its data any more, even in backups.

    Example: bunbase projects delete shop
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = _project_to_delete(project, now, session)
        if not confirm:
            out.warn(_warning(found, now))
        confirm = confirmed(found.slug, confirm, yes)
        body = {"confirm": confirm} | ({"now": True} if now else {})
        session.ask(type(None), Call("DELETE", at("projects", found.id), json=body))
        if now:  # without --now, the stored keys must stay, because they work again after a restore
            with session.changing() as known:
                known.forget_project(found.id)
    if flags.json:
        out.document({"id": found.id, "deleted": True})
    out.done(f"{found.name} ({found.slug}) is deleted.")
    if not now:
        out.hint(f"To bring it back within 7 days: bunbase projects restore {found.slug}")


@app.command
def restore(project: Named, /, *, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Bring back a project that was deleted less than 7 days ago, with all its data, keys and members.

    Example: bunbase projects restore prj_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask(Project, Call("POST", at("projects", project, "restore")))
    if flags.json:
        out.document(found)
    out.done(f"{found.name} ({found.slug}) is back.")


@app.command
def transfer(
    project: Named,
    org: Annotated[str, Parameter(help="The id or slug of the organisation, or `personal` to own it alone.")],
    /,
    *,
    yes: Yes = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Move a project to another organisation.

    People who had access only through the old organisation lose their access.

    Example: bunbase projects transfer shop guild
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        out.warn(f"This moves {project} to {org}. People who have access only through the old organisation lose it.")
        confirm_yes(yes)
        found = session.ask(Project, Call("POST", at("projects", project, "transfer"), json={"org": org}))
    if flags.json:
        out.document(found)
    out.done(f"{found.name} ({found.slug}) belongs to {org} now.")


def keep_project(session: Session, new: NewProject, out: Output, in_file: bool) -> None:
    """Store a new project's keys on this machine, and choose the project.

    `in_file`: also write the choice to bunbase.toml.

    A failure is only a warning, because the project exists already.
    """
    chosen = ChosenProject(new.id, new.slug)
    try:
        with session.changing() as known:
            for key in new.keys:
                known.keep(StoredKey(key.id, key.kind, key.key or "", chosen))
        (choose if in_file else choose_on_this_machine)(chosen, session)
    except Failure as failure:
        out.warn(f"The project was made, but its keys could not be stored on this machine: {failure.detail}")


def _project_to_delete(ref: str, now: bool, session: Session) -> Project:
    """Return the project. `now`: also search projects that are already deleted. Raises: Refused."""
    try:
        return session.ask(Project, Call("GET", at("projects", ref)))
    except Refused as refused:
        if not now or refused.code != DELETED:
            raise
        deleted = session.ask_all(Projects, Call("GET", at("projects"), params={"deleted": "true"}))
        found = [one for one in deleted.items if ref in (one.id, one.slug)]
        if not found:
            raise
        return found[0]


def _warning(project: Project, now: bool) -> str:
    named = f"{project.name} ({project.slug})"
    if now:
        return f"This destroys all data of {named}, in backups too. This cannot be undone."
    return f"This stops {named} at once. Its data is destroyed after 7 days, in backups too."
