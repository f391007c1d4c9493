"""`bunbase orgs`: list, create, rename and delete organisations."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.prompts import Yes, confirmed
from bunbase.cli.session import open_session
from bunbase.contracts.platform import Organisation, Organisations

Named = Annotated[str, Parameter(help="The organisation's id or slug.")]
NewName = Annotated[str, Parameter(help="The organisation's name.")]

app = App(name="orgs", help="List, create, rename and delete organisations, which own projects together.")


@app.command(name="list")
def list_orgs(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Show your organisations, newest first. Projects that belong to you alone are in the organisation named Personal.

    Example: bunbase orgs list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        orgs = session.ask_all(Organisations, Call("GET", at("orgs")))
    if flags.json:
        out.document(orgs)
        return
    rows = [(one.name, one.slug, one.id, one.role.value, one.created_at) for one in orgs.items]
    out.table(("name", "slug", "id", "your role", "created"), rows)


@app.command
def create(name: NewName, /, *, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Create an organisation. The members of an organisation have a role in all its projects.

    Example: bunbase orgs create "Bakers' Guild"
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        new = session.ask(Organisation, Call("POST", at("orgs"), json={"name": name}))
    if flags.json:
        out.document(new)
    out.done(f"Made {new.name} ({new.slug}).")
    out.hint(
        f"Next: bunbase invites create <email> --org {new.slug}, or bunbase projects create <name> --org {new.slug}"
    )


@app.command
def rename(org: Named, name: NewName, /, *, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Rename an organisation. The slug does not change.

    Example: bunbase orgs rename guild "Guild of Bakers"
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        renamed = session.ask(Organisation, Call("PATCH", at("orgs", org), json={"name": name}))
    if flags.json:
        out.document(renamed)
    out.done(f"{renamed.slug} has the name {renamed.name} now.")


@app.command
def delete(
    org: Named,
    /,
    *,
    confirm: Annotated[
        str, Parameter(show_default=False, help="The organisation's slug again, which confirms the deletion.")
    ] = "",
    yes: Yes = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Delete an organisation without projects. Transfer or destroy its projects first.

    Example: bunbase orgs delete guild
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask(Organisation, Call("GET", at("orgs", org)))
        if not confirm:
            out.warn(f"This deletes {found.name} ({found.slug}). This cannot be undone.")
        confirm = confirmed(found.slug, confirm, yes)
        session.ask(type(None), Call("DELETE", at("orgs", found.id), json={"confirm": confirm}))
    if flags.json:
        out.document({"id": found.id, "deleted": True})
    out.done(f"{found.name} ({found.slug}) is deleted.")
