"""`bunbase data get` and `query`: read documents of a project."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from bunbase.cli.chosen import needed_project
from bunbase.cli.documents import NULL, Documents, FoundPage, filter_of, print_document
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.output import Output
from bunbase.cli.request_data import read_data
from bunbase.cli.session import open_session

PAGE: Final = 500  # with `--all`, each request fetches this number of documents, the most that the server allows

CollectionName = Annotated[str, Parameter(help="The name of the collection.")]
DocumentId = Annotated[str, Parameter(help="The id of the document.")]


def get(collection: CollectionName, id: DocumentId, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show one document.

    With --json, the document is printed on one line.

    Example: bunbase data get posts first
    """
    with open_session(flags) as session:
        text = Documents(session, needed_project(flags.project, session)).get(collection, id)
    print_document(text, flags.json)


def query(
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
            help="Fields to sort by, separated by commas; - before a field: descending.",
        ),
    ] = "",
    select: Annotated[str, Parameter(show_default=False, help="Show only these fields, separated by commas.")] = "",
    limit: Annotated[
        int, Parameter(validator=Number(gte=1, lte=PAGE), help="The maximum number of documents to show.")
    ] = 20,
    cursor: Annotated[str, Parameter(show_default=False, help="Show the page that begins at this cursor.")] = "",
    all: Annotated[
        bool, Parameter(name="--all", negative="", show_default=False, help="Show all documents, page after page.")
    ] = False,
    count: Annotated[
        bool, Parameter(negative="", show_default=False, help="Also count all documents that match.")
    ] = False,
    explain: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Also show which index serves the query, and its cost."),
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show the documents that match a filter, one JSON document on each line.

    With --json, the whole page is one JSON document, with the cursor of the next page.

    Example: bunbase data query posts '{"likes": {"$gt": 10}}' --sort -likes
    """
    out = Output(flags.json)
    asked = wanted(where, sort, select, PAGE if all else limit)
    asked |= (
        ({"cursor": cursor} if cursor else {})
        | ({"count": True} if count else {})
        | ({"explain": True} if explain else {})
    )
    with open_session(flags) as session:
        documents = Documents(session, needed_project(flags.project, session))
        if flags.json and not all:
            text = documents.page_text(collection, asked)
            if not cursor and not msgspec.json.decode(text, type=FoundPage).items:
                documents.check_collection(collection)
            print_document(text, compact=True)
            return
        pages = documents.pages(collection, asked)
        if not show_pages(pages if all else islice(pages, 1), out):
            documents.check_collection(collection)
            out.hint("No document was found.")


def wanted(where: str, sort: str, select: str, limit: int) -> dict[str, Any]:
    """Return the body of the request for a query. Raises: Usage if the filter is not a JSON object."""
    found = filter_of(read_data(where).decode("utf-8", "surrogateescape")) if where else None
    asked: dict[str, Any] = {"limit": limit}
    return asked | {
        name: value
        for name, value in (("where", found), ("sort", _fields(sort)), ("select", _fields(select)))
        if value is not None and value != []
    }


def show_pages(pages: Iterable[FoundPage], out: Output) -> bool:
    """Print documents, one on each line. Return False if there was none."""
    found = 0
    for page in pages:
        found += len(page.items)
        for document in page.items:
            print_document(bytes(document), compact=True)
        if page.count is not None:
            out.say(f"Documents that match: {'about ' if page.count_is_estimate else ''}{page.count}.")
        if page.explain != NULL:
            out.say(msgspec.json.format(bytes(page.explain), indent=2).decode())
    if found and page.next is not None:
        out.hint(f"There are more documents: --all, or --cursor {page.next}")
    return found > 0


def _fields(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]
