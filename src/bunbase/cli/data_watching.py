"""`bunbase data watch`: show the documents of a query, and each change of them as it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from bunbase.cli.chosen import needed_project
from bunbase.cli.data_reading import CollectionName, wanted
from bunbase.cli.documents import Documents
from bunbase.cli.errors import Refused
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.live_results import Changed, LiveDocuments, Message
from bunbase.cli.live_stream import LiveStream
from bunbase.cli.output import Output
from bunbase.cli.session import Session, open_session

MOST: Final = 500
SIGNS: Final = (("+", "green", "added"), ("~", "yellow", "changed"), ("-", "red", "removed"))


def watch(
    collection: CollectionName,
    where: Annotated[
        str, Parameter(show_default=False, help="A filter as JSON; @FILE reads a file, @- reads stdin. Default: none.")
    ] = "",
    /,
    *,
    sort: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            show_default=False,
            help="Fields to sort by, separated by commas; - before a field: descending. For --limit.",
        ),
    ] = "",
    select: Annotated[str, Parameter(show_default=False, help="Show only these fields, separated by commas.")] = "",
    limit: Annotated[
        int, Parameter(validator=Number(gte=1, lte=MOST), help="Watch the first documents of the order.")
    ] = 100,
    count: Annotated[
        bool, Parameter(negative="", show_default=False, help="Also count all documents that match.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show the documents that match a filter, and each change, until Ctrl-C.

    A line begins with + for a document that is new in the result, with ~ for a changed document, and with - for a
    document that has left the result. With --json, each line is one JSON document with all changes of the same moment.

    Example: bunbase data watch posts '{"draft": false}' --sort -_created
    """
    out = Output(flags.json)
    asked = {"collection": collection, **wanted(where, sort, select, limit), **({"count": True} if count else {})}
    held = LiveDocuments()

    def body() -> Mapping[str, Any]:
        return {"send": [{"t": "watch", "id": 1, "query": asked}]}

    def taken(message: Message) -> tuple[Changed, ...]:
        changed = held.take(message)
        return () if changed is None else (changed,)

    with open_session(flags) as session:
        checked = False
        for changed in LiveStream(session, flags, out).followed(Message, body, taken):
            if not checked and not changed.added:
                warn_if_missing(session, flags, collection, out)
            checked = True
            show(changed, out)


def warn_if_missing(session: Session, flags: ProjectFlags, collection: str, out: Output) -> None:
    """Warn about a collection that does not exist. The command continues, because a first document may create the
    collection.
    """
    try:
        Documents(session, needed_project(flags.project, session)).check_collection(collection)
    except Refused as refused:
        if refused.problem.get("code") != "collection_not_found":
            raise
        out.warn(f"{refused.detail} This command waits until somebody creates it.")


def show(changed: Changed, out: Output) -> None:
    if out.json:
        out.encoded(msgspec.json.encode(changed))
        return
    for sign, style, name in SIGNS:
        for document in getattr(changed, name):
            out.line((f"{sign} ", style), bytes(document).decode())
    if changed.count is not None:
        out.hint(f"Documents that match: {changed.count}.")
