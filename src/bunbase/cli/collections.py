"""`bunbase collections`: the collections of a project, on the server and in bunbase.toml."""

from __future__ import annotations

from cyclopts import App

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.output import Output
from bunbase.cli.plans.collections import present_collections
from bunbase.cli.plans.comparing import index_name, own_indexes, sources
from bunbase.cli.plans.pushing import AllowLosing, push_collections
from bunbase.cli.plans.wanted import wanted_collections
from bunbase.cli.project_file import project_file_path, read_project_file
from bunbase.cli.session import open_session

app = App(name="collections", help="List the collections of a project, and apply those of bunbase.toml.")


@app.command(name="list")
def list_collections(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """List the collections of the project, with their indexes, schemas and rules."""
    out = Output(flags.json)
    with open_session(flags) as session:
        found = present_collections(session, needed_project(flags.project, session))
    if flags.json:
        out.document({"items": list(found.values())})
        return
    rows = [
        (
            one.name,
            "none" if one.schema is None else "strict" if one.strict else "additive",
            ", ".join(sources(one.rules)) or "none",
            ", ".join(index_name(index) for index in own_indexes(one)) or "none",
            one.expires,
        )
        for one in found.values()
    ]
    out.table(("collection", "schema", "rules", "indexes", "expires"), rows)


@app.command
def push(*, allow_losing: AllowLosing = (), flags: ProjectFlags = PROJECT_FLAGS) -> int:
    """Apply the collections of bunbase.toml, and nothing else of it. Settings that a table leaves out stay."""
    file = read_project_file()
    if not file.collections and not file.deploy.drop_collections:
        raise Usage(
            f"{project_file_path()} has no collections, such as [collections.posts]. To write them: bunbase pull",
            "no_collections",
        )
    return push_collections(wanted_collections(file), allow_losing, flags, file.deploy.drop_collections)
