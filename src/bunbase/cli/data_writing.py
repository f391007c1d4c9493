"""`bunbase data create`, `put`, `patch` and `delete`: write documents of a project."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.data_reading import CollectionName, DocumentId
from bunbase.cli.documents import Documents, print_document
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.output import Output
from bunbase.cli.request_data import read_data
from bunbase.cli.session import open_session

Body = Annotated[str, Parameter(help="A JSON object; @FILE reads a file, @- reads stdin.")]
IfRev = Annotated[
    int | None,
    Parameter(
        show_default=False, help="Write only if the stored revision is this one. 0: only if there is no such document."
    ),
]


def create(collection: CollectionName, document: Body, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Create a document, with a new id or with its own `_id`.

    Example: bunbase data create posts '{"title": "Hello"}'
    """
    with open_session(flags) as session:
        made = Documents(session, needed_project(flags.project, session)).create(collection, read_data(document))
    print_document(made, flags.json)


def put(
    collection: CollectionName,
    id: DocumentId,
    document: Body,
    /,
    *,
    if_rev: IfRev = None,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Replace a document, or create it.

    Example: bunbase data put posts first @post.json
    """
    with open_session(flags) as session:
        documents = Documents(session, needed_project(flags.project, session))
        written = documents.put(collection, id, read_data(document), if_rev)
    print_document(written, flags.json)


def patch(
    collection: CollectionName,
    id: DocumentId,
    change: Body,
    /,
    *,
    if_rev: IfRev = None,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Change a document by a merge patch, or by update operators such as {"$inc": {"likes": 1}}.

    Example: bunbase data patch posts first '{"$inc": {"likes": 1}}'
    """
    with open_session(flags) as session:
        documents = Documents(session, needed_project(flags.project, session))
        written = documents.patch(collection, id, read_data(change), if_rev)
    print_document(written, flags.json)


def delete(
    collection: CollectionName,
    id: DocumentId,
    /,
    *,
    if_rev: IfRev = None,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Delete a document. The command first prints it, so that you can create it again.

    Example: bunbase data delete posts first
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        documents = Documents(session, needed_project(flags.project, session))
        text = documents.get(collection, id)
        documents.delete(collection, id, if_rev)
    print_document(text, flags.json)
    out.done(f"{id} is deleted from {collection}.")
