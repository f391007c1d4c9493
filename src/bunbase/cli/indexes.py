"""`bunbase indexes`: the indexes of a collection."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.collections import Named, collection_of, listed_collections, project_headers
from bunbase.cli.documents import filter_of
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at_v1
from bunbase.cli.output import Output
from bunbase.cli.prompts import confirmed
from bunbase.cli.session import Session, open_session
from bunbase.contracts.bundoc.collections import Collection, IndexSpec, IndexState

POLL_SECONDS: Final = 0.5

app = App(name="indexes", help="List, create and drop the indexes of a project's collections.")


@app.command(name="list")
def list_indexes(
    collection: Annotated[
        str, Parameter(show_default=False, help="The name of the collection. Default: all collections.")
    ] = "",
    /,
    *,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """List the indexes of one collection, or of all collections.

    Example: bunbase indexes list posts
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        headers = project_headers(flags, session)
        found = (collection_of(session, headers, collection),) if collection else listed_collections(session, headers)
    if flags.json:
        out.document({"items": [{"collection": one.name, **msgspec.to_builtins(index)} for one, index in _of(found)]})
        return
    rows = [(one.name, index.name, ", ".join(index.fields), _kind(index), _state(index)) for one, index in _of(found)]
    out.table(("collection", "index", "fields", "kind", "state"), rows)
    if not rows:
        out.hint("There is no index. Create one: bunbase indexes create COLLECTION FIELD")


@app.command
def create(
    collection: Named,
    /,
    *fields: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="The fields, in their order; - before a field: descending."),
    ],
    name: Annotated[
        str, Parameter(show_default=False, help="The name of the index. Default: a name made of its fields.")
    ] = "",
    unique: Annotated[
        bool, Parameter(negative="", show_default=False, help="No two documents may have the same values.")
    ] = False,
    text: Annotated[
        bool, Parameter(negative="", show_default=False, help="An index for searches by words ($search).")
    ] = False,
    where: Annotated[
        str, Parameter(show_default=False, help="A filter as JSON: the index has only the documents that match.")
    ] = "",
    wait: Annotated[
        bool, Parameter(negative="--no-wait", show_default=False, help="Wait until the index is built. The default.")
    ] = True,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Create an index, and wait until it is built. Documents can be read and written meanwhile.

    If the collection does not exist, it is created. After Ctrl-C, the server still builds the index. Idempotent.

    Example: bunbase indexes create posts author -_created
    """
    out = Output(flags.json)
    if not fields:
        raise Usage("Name at least one field.")
    new = IndexSpec(fields, name, unique, filter_of(where), "text" if text else "keys")
    with open_session(flags) as session, out.working(f"building the index of {collection}") as told:
        headers = project_headers(flags, session)
        before = _own(collection, session, headers)
        same = next((one for one in before if msgspec.structs.replace(_spec(one), name=name) == new), None)
        if same is not None and name not in ("", same.name):
            raise Usage(f"{collection} has this index already, with the name {same.name}.", "index_exists")
        if same is None:
            _put(session, headers, collection, [*map(_spec, before), new])
        kept = {one.name for one in before if one is not same}
        made = _finished(session, headers, collection, kept, told if wait else None)
    if flags.json:
        out.document(made)
    had = "" if same is None else f"{collection} has this index already. "
    out.done(f"{had}The index {made.name} is {'built' if made.ready else 'being built: bunbase indexes list'}.")


@app.command
def drop(
    collection: Named,
    name: Annotated[str, Parameter(help="The name of the index.")],
    /,
    *,
    confirm: Annotated[
        str, Parameter(show_default=False, help="The name of the index, again. Default: the command asks for it.")
    ] = "",
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Delete an index. Queries that need the index fail from then on. If the index is unique, BunBase no longer refuses
    duplicates.

    Example: bunbase indexes drop posts by_author
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        headers = project_headers(flags, session)
        indexes = _own(collection, session, headers)
        if name not in {one.name for one in indexes}:
            names = ", ".join(one.name for one in indexes) or "none"
            raise Failure("index_not_found", f"{collection} has no index {name}. Its own indexes: {names}.")
        if confirmed(name, confirm) != name:
            raise Usage("Nothing was changed: the name is not that of the index.", "not_confirmed")
        _put(session, headers, collection, [_spec(one) for one in indexes if one.name != name])
    if flags.json:
        out.document({"collection": collection, "name": name, "dropped": True})
    out.done(f"The index {name} of {collection} is deleted.")


def _own(collection: str, session: Session, headers: dict[str, str]) -> list[IndexState]:
    """Return the indexes that developers made, or none if the collection does not exist."""
    found = [one for one in listed_collections(session, headers) if one.name == collection]
    return [index for one in found for index in one.indexes if not index.system]


def _put(session: Session, headers: dict[str, str], collection: str, specs: list[IndexSpec]) -> None:
    body: dict[str, Any] = {"indexes": [msgspec.to_builtins(one) for one in specs]}
    path = at_v1("collections", collection)
    session.ask(dict, Call("PUT", path, params={"wait": "false"}, headers=headers, json=body))


def _finished(
    session: Session, headers: dict[str, str], collection: str, kept: set[str], told: Callable[[str], None] | None
) -> IndexState:
    """Return the new index: at once if `told` is None, or else when the index is complete.

    Raises: Failure if building failed.
    """
    while True:
        made = [one for one in _own(collection, session, headers) if one.name not in kept]
        if not made:
            raise Failure(
                "index_not_built",
                f"The index was not built: documents of {collection} share values that it must keep apart. List them "
                "with `bunbase data query`, or leave out --unique.",
            )
        if made[0].ready or told is None:
            return made[0]
        told(f"{made[0].progress or 0:.0%}")
        time.sleep(POLL_SECONDS)


def _spec(one: IndexState) -> IndexSpec:
    return IndexSpec(one.fields, one.name, one.unique, one.where, one.type, one.stemming, one.prefix, one.weights)


def _of(found: tuple[Collection, ...]) -> list[tuple[Collection, IndexState]]:
    return [(one, index) for one in found for index in one.indexes]


def _kind(index: IndexState) -> str:
    kinds = ["text" if index.type == "text" else "unique" if index.unique else "keys"]
    return ", ".join(kinds + ["partial"] * bool(index.where) + ["of a reference"] * index.system)


def _state(index: IndexState) -> str:
    return "ready" if index.ready else f"building, {index.progress or 0:.0%}"
