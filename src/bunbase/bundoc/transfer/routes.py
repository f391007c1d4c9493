"""Public HTTP of export and import: below `/v1` for servers, below `/api/projects/{project}` for developers."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.params import QueryParameter
from litestar.response import Stream

from bunbase.bundoc.documents import COLLECTION
from bunbase.bundoc.routes.documents import check_query
from bunbase.bundoc.routes.fast import SEQ
from bunbase.bundoc.routes.openapi import lines_response, problems
from bunbase.bundoc.transfer.batches import Importing
from bunbase.contracts.bundoc.backups import Imported, ImportMode
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem
from bunbase.pkg.http import Injected
from bunbase.pkg.line_streams import feed_body, lines_answer
from bunbase.pkg.ndjson import NDJSON, LinesBody
from bunbase.pkg.openapi import SECRET_KEY, answers, reads

TAGS: Final = ["Export and import"]

AnyRequest = Request[Any, Any, Any]
Collection = Annotated[
    str | None,
    QueryParameter(
        description="The collection. If it is left out, each line names its collection.",
        schema_extra={"pattern": f"^{COLLECTION.pattern}$"},
    ),
]
After = Annotated[str, QueryParameter(max_length=200, description="Continue after this id, or after `collection/id`.")]
Mode = Annotated[ImportMode, QueryParameter(description="How to treat a document that exists already.")]
FromLine = Annotated[int, QueryParameter(ge=1, le=1 << 53, description="Skip the lines before this number.")]
DryRun = Annotated[bool, QueryParameter(description="Check the lines, and write nothing.")]


class Import(msgspec.Struct, frozen=True):
    """The parameters of an import."""

    collection: str | None
    mode: ImportMode
    from_line: int
    dry_run: bool


EXPORTED: Final = {200: lines_response("One JSON document in each line."), **problems(400, 403, 404, 422)}
IMPORTED: Final = {
    200: answers(Imported, "The number of lines of each kind, and the first errors."),
    **problems(400, 403, 422),
}


@get("/v1/export", summary="Export documents", tags=TAGS, security=SECRET_KEY, responses=EXPORTED)
async def export_documents(
    client: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: Collection = None,
    after: After = "",
) -> Stream:
    """Streams documents as NDJSON, sorted by id, with the system fields first.

    Without `collection`, every line is `{"collection":…,"document":{…}}`, and a collection comes after the collections
    that its schema refers to. Needs the secret key. Documents may change while the export runs; for a copy of all
    documents at one moment, make a backup. To continue an export that was interrupted, send the id in its last complete
    line as `after` (without `collection`: `collection/id`).
    """
    check_query(request, ("collection", "after"))
    return await _export(bundoc, client, collection, after)


@get("/api/projects/{project:str}/export", summary="Export documents as a developer", tags=TAGS, responses=EXPORTED)
async def export_project(
    member: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: Collection = None,
    after: After = "",
) -> Stream:
    """Streams documents as `/v1/export` does, for members with the role developer."""
    check_query(request, ("collection", "after"))
    return await _export(bundoc, member, collection, after)


@post(
    "/v1/import",
    summary="Import documents",
    tags=TAGS,
    security=SECRET_KEY,
    status_code=200,
    operation_class=reads(LinesBody, NDJSON),
    request_max_body_size=None,
    responses=IMPORTED,
)
async def import_documents(
    client: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: Collection = None,
    mode: Mode = ImportMode.CREATE,
    from_line: FromLine = 1,
    dry_run: DryRun = False,
) -> Response[Imported]:
    """Takes NDJSON of any length, in the form of an export, and writes the document in each line.

    Needs the secret key. Documents keep their `_id` and `_created`; they get new values of `_rev` and `_updated`. A
    line with an error counts as `failed` and does not stop the import; the first 1,000 errors are listed with their
    line numbers. If a line refers to a document of a later line, BunBase tries the line again at the end; `unresolved`
    has the numbers of lines that still refer to a missing document then. If the import itself stops, the problem has
    `last_line`: to continue, send the rest of the lines with `from_line` = `last_line` + 1, and then the lines in
    `unresolved`. `seq`, which is also the header `X-Bunbase-Seq`, is a state that has all imported documents. With
    `dry_run`, BunBase writes nothing. It checks the form of the lines, the schemas, and whether documents exist, but
    not unique indexes and references.
    """
    check_query(request, ("collection", "mode", "from_line", "dry_run"))
    return await _import(bundoc, client, request, Import(collection, mode, from_line, dry_run))


@post(
    "/api/projects/{project:str}/import",
    summary="Import documents as a developer",
    tags=TAGS,
    status_code=200,
    operation_class=reads(LinesBody, NDJSON),
    request_max_body_size=None,
    responses=IMPORTED,
)
async def import_project(
    member: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: Collection = None,
    mode: Mode = ImportMode.CREATE,
    from_line: FromLine = 1,
    dry_run: DryRun = False,
) -> Response[Imported]:
    """Imports documents as `/v1/import` does, for members with the role developer."""
    check_query(request, ("collection", "mode", "from_line", "dry_run"))
    return await _import(bundoc, member, request, Import(collection, mode, from_line, dry_run))


async def _export(bundoc: Bundoc, caller: Caller, collection: str | None, after: str) -> Stream:
    return await lines_answer(bundoc.export_documents(caller, collection, after))


async def _import(bundoc: Bundoc, caller: Caller, request: AnyRequest, how: Import) -> Response[Imported]:
    # This empty import refuses a caller without permission before the body arrives.
    await bundoc.import_documents(caller, how.collection, how.mode, ())
    importing = Importing(
        lambda lines: bundoc.import_documents(caller, how.collection, how.mode, lines, how.dry_run), how.from_line
    )
    try:
        await feed_body(request, importing.feed)
        done = await importing.end()
        return Response(done, headers={SEQ: done.seq} if done.seq else None)
    except Problem as problem:
        problem.extra["last_line"] = importing.done.last_line
        problem.extra["unresolved"] = importing.unresolved
        problem.extra["seq"] = importing.done.seq
        raise


ROUTES = (export_documents, import_documents, export_project, import_project)
