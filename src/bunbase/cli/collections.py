"""`bunbase collections`: the collections of a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from cyclopts import App, Parameter
from cyclopts.validators import Number

from bunbase.cli.chosen import needed_project, project_shown
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at_v1
from bunbase.cli.output import Output, counted, size_text
from bunbase.cli.plans.collections import Collections
from bunbase.cli.plans.pushing import AllowLosing, push_collections
from bunbase.cli.plans.wanted import wanted_collections
from bunbase.cli.project_file import project_file_path, read_project_file
from bunbase.cli.prompts import confirmed
from bunbase.cli.session import Session, open_session
from bunbase.contracts.bundoc.collections import Collection, IndexState, Misfits

# the time limit of a request for one page of misfits; it is long, because the server examines many documents
CHECK_SECONDS: Final = 120.0

Named = Annotated[str, Parameter(help="The name of the collection.")]

app = App(name="collections", help="List, show and drop the collections of a project, and apply those of bunbase.toml.")


@app.command(name="list")
def list_collections(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """List the collections, ordered by name.

    Example: bunbase collections list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = listed_collections(session, project_headers(flags, session))
    if flags.json:
        out.document({"items": found})
        return
    rows = [
        (one.name, len(one.indexes), "yes" if one.rules else "no", _schema(one), one.expires, one.created_at)
        for one in found
    ]
    out.table(("collection", "indexes", "rules", "schema", "expires by", "created"), rows)
    if not found:
        out.hint("The project has no collections. Its first document creates one: bunbase data create posts '{…}'")


@app.command
def show(name: Named, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the size, indexes, rules and schema of a collection.

    Example: bunbase collections show posts
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = collection_of(session, project_headers(flags, session), name)
    if flags.json:
        out.document(found)
        return
    out.facts(
        [
            ("name", found.name),
            ("documents", found.documents),
            ("bytes", None if found.bytes is None else size_text(found.bytes)),
            ("indexes", "\n".join(index_text(one) for one in found.indexes)),
            *rules_of(found),
            ("schema", _schema(found)),
            ("expires by", found.expires),
            ("before writes", found.before_write and f"asks {found.before_write.function}"),
            ("documents per query", found.max_scan),
            ("created", found.created_at),
        ]
    )


@app.command
def create(name: Named, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Create a collection. In development, BunBase also creates a collection when you write its first document.

    Only servers and developers can access a collection without rules. Idempotent.

    Example: bunbase collections create posts
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        headers = project_headers(flags, session)
        made = session.ask(Collection, Call("PUT", at_v1("collections", name), headers=headers, json={}))
    if flags.json:
        out.document(made)
    out.done(f"The collection {name} exists. Its rules: bunbase rules push")


@app.command
def drop(
    name: Named,
    /,
    *,
    confirm: Annotated[
        str, Parameter(show_default=False, help="The name of the collection, again. Default: the command asks for it.")
    ] = "",
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Delete a collection with all of its documents, indexes and rules. This cannot be undone.

    Example: bunbase collections drop posts
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        headers = project_headers(flags, session)
        found = collection_of(session, headers, name)
        documents = counted(found.documents or 0, "document")
        out.warn(
            f"{session.url}, project {project_shown(session)}: {name} has {documents}. "
            "A backup would keep them: bunbase backup create"
        )
        if confirmed(name, confirm) != name:
            raise Usage("Nothing was changed: the name is not that of the collection.", "not_confirmed")
        session.ask(type(None), Call("DELETE", at_v1("collections", name), headers=headers, seconds=CHECK_SECONDS))
    if flags.json:
        out.document({"name": name, "dropped": True, "documents": found.documents})
    out.done(f"{name} is deleted, with {documents}.")


@app.command
def push(*, allow_losing: AllowLosing = (), flags: ProjectFlags = PROJECT_FLAGS) -> int:
    """Apply only the collections of bunbase.toml. Settings that a table leaves out stay unchanged.

    Example: bunbase collections push
    """
    file = read_project_file()
    if not file.collections and not file.deploy.drop_collections:
        raise Usage(
            f"{project_file_path()} has no collections, such as [collections.posts]. To write them: bunbase pull",
            "no_collections",
        )
    return push_collections(wanted_collections(file), allow_losing, flags, file.deploy.drop_collections)


@app.command
def misfits(
    name: Named,
    /,
    *,
    limit: Annotated[
        int, Parameter(validator=Number(gte=1, lte=500), help="The maximum number of documents to show.")
    ] = 20,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """List the documents that do not match the collection's schema. The exit code is 1 if there are any.

    Example: bunbase collections misfits posts
    """
    out = Output(flags.json)
    found: list[Any] = []
    examined, cursor = 0, None
    with open_session(flags) as session, out.working(f"checking {name}") as told:
        headers = project_headers(flags, session)
        while len(found) < limit:
            asked = {"limit": limit - len(found), "cursor": cursor}
            path = at_v1("collections", name, "misfits")
            page = session.ask(Misfits, Call("POST", path, headers=headers, json=asked, seconds=CHECK_SECONDS))
            found += page.items
            examined, cursor = examined + page.examined, page.next
            told(counted(examined, "document"))
            if cursor is None:
                break
    if flags.json:
        out.document({"items": found, "examined": examined, "complete": cursor is None})
        return 1 if found else 0
    rows = [(one.id, "\n".join(f"{error['path']}: {error['message']}" for error in one.errors)) for one in found]
    if rows:
        out.table(("document", "does not match"), rows)
    if cursor is not None:
        out.hint(f"Only the first {examined} documents were checked: --limit shows more.")
    elif not rows:
        out.done(f"All documents match ({counted(examined, 'document')}).")
    return 1 if found else 0


def listed_collections(session: Session, headers: Mapping[str, str]) -> tuple[Collection, ...]:
    """Return the collections of a project. One answer contains all, because of the limit of collections per project."""
    return session.ask(Collections, Call("GET", at_v1("collections"), headers=headers)).items


def collection_of(session: Session, headers: Mapping[str, str], name: str) -> Collection:
    return session.ask(Collection, Call("GET", at_v1("collections", name), headers=headers))


def project_headers(flags: ProjectFlags, session: Session) -> dict[str, str]:
    return {"x-bunbase-project": needed_project(flags.project, session)}


def index_text(one: IndexState) -> str:
    """Return an index on one line, such as `owner, -_created (unique)`."""
    marks = [
        word for word, holds in (("text", one.type == "text"), ("unique", one.unique), ("partial", one.where)) if holds
    ]
    if not one.ready:
        marks.append(f"building, {one.progress or 0:.0%}")
    return f"{one.name}: {', '.join(one.fields)}" + (f" ({', '.join(marks)})" if marks else "")


def rules_of(found: Collection) -> list[tuple[str, str]]:
    """Return the rules that the collection has, each with its name."""
    if found.rules is None:
        return [("rules", "")]
    kinds = [(f"rule {name}", getattr(found.rules, name)) for name in ("list", "get", "create", "update", "delete")]
    hidden = [(f"hidden {path}", text) for path, text in found.rules.hidden.items()]
    return [(name, text) for name, text in (*kinds, *hidden) if text is not None]


def _schema(one: Collection) -> str:
    return "no" if one.schema is None else "strict" if one.strict else "yes"
