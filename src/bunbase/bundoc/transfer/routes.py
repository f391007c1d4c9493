"""Public HTTP of export and import: `/v1/export` and `/v1/import` for servers, below the project for its developers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from litestar import Request, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Stream

from bunbase.bundoc.routes.documents import check_query
from bunbase.bundoc.routes.openapi import ImportBody, lines_response, problems
from bunbase.bundoc.transfer.batches import Importing
from bunbase.contracts.backups import ExportPart, Imported, ImportMode
from bunbase.contracts.bundoc import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import DeadlineExceeded, Problem
from bunbase.pkg.http import Injected
from bunbase.pkg.http1.incoming import incoming

TAGS: Final = ["Export and import"]
NDJSON: Final = "application/x-ndjson"
SILENCE_SECONDS: Final = 60.0

AnyRequest = Request[Any, Any, Any]
Collection = Annotated[str | None, QueryParameter(description="The collection; else all, each line naming its own.")]
After = Annotated[str, QueryParameter(max_length=200, description="Go on behind this id, or `collection/id`.")]
Mode = Annotated[ImportMode, QueryParameter(description="What to do with a document that exists already.")]
FromLine = Annotated[int, QueryParameter(ge=1, le=1 << 53, description="Leave out the lines before this one.")]

EXPORTED: Final = {200: lines_response("A JSON document a line."), **problems(400, 403, 404, 422)}
IMPORTED: Final = {200: ResponseSpec(Imported, generate_examples=False), **problems(400, 403, 422)}


@get("/v1/export", summary="Export documents", tags=TAGS, responses=EXPORTED)
async def export_documents(
    client: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: Collection = None,
    after: After = "",
) -> Stream:
    """Streams documents as NDJSON, by id, system fields first; without `collection` every line is
    `{"collection":…,"document":{…}}`. Needs the secret key.

    Each document is as it was when its page was read; for all of them at one moment take a backup. A stream that breaks
    off can be gone on with: send the id of the last whole line as `after`.
    """
    check_query(request, ("collection", "after"))
    return await _exported(bundoc, client, collection, after)


@get("/api/projects/{project:str}/export", summary="Export documents as a developer", tags=TAGS, responses=EXPORTED)
async def export_project(
    member: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: Collection = None,
    after: After = "",
) -> Stream:
    """As `/v1/export`, for members with the role developer."""
    check_query(request, ("collection", "after"))
    return await _exported(bundoc, member, collection, after)


@post(
    "/v1/import",
    summary="Import documents",
    tags=TAGS,
    status_code=200,
    operation_class=ImportBody,
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
) -> Imported:
    """Takes NDJSON as an export gives it, of any length, and writes each line as any write is made.

    Needs the secret key. `_id` is kept; `_rev`, `_created` and `_updated` are those of the new write. What is wrong
    with a line counts as `failed`, is told by its number (the first 100), and stops no other. When the import itself
    cannot go on, the problem carries `last_line`: send the rest with `from_line` one more.
    """
    check_query(request, ("collection", "mode", "from_line"))
    return await _imported(bundoc, client, request, collection, mode, from_line)


@post(
    "/api/projects/{project:str}/import",
    summary="Import documents as a developer",
    tags=TAGS,
    status_code=200,
    operation_class=ImportBody,
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
) -> Imported:
    """As `/v1/import`, for members with the role developer."""
    check_query(request, ("collection", "mode", "from_line"))
    return await _imported(bundoc, member, request, collection, mode, from_line)


async def _exported(bundoc: Bundoc, caller: Caller, collection: str | None, after: str) -> Stream:
    parts = bundoc.export_documents(caller, collection, after)
    first = await anext(parts, None)  # what is wrong with the request shows here, while it can be answered properly
    return Stream(_lines(first, parts), media_type=NDJSON, headers={"cache-control": "no-store"})


async def _lines(first: ExportPart | None, parts: AsyncIterator[ExportPart]) -> AsyncIterator[bytes]:
    """Raises what ends the export early: the connection is broken off then, and the client sees that."""
    if first is not None:
        yield first.lines
        async for part in parts:
            yield part.lines


async def _imported(
    bundoc: Bundoc, caller: Caller, request: AnyRequest, collection: str | None, mode: ImportMode, from_line: int
) -> Imported:
    await bundoc.import_documents(caller, collection, mode, ())  # whoever may not, need not send it all first
    importing = Importing(lambda lines: bundoc.import_documents(caller, collection, mode, lines), from_line)
    silent = DeadlineExceeded(f"Nothing came for {SILENCE_SECONDS:g} seconds; send the rest with from_line.")
    incoming(request.scope).may_be_silent(SILENCE_SECONDS, silent)
    try:
        async for piece in request.stream():
            await importing.feed(piece)
        return await importing.end()
    except Problem as problem:
        problem.extra["last_line"] = importing.done.last_line
        raise


ROUTES = (export_documents, import_documents, export_project, import_project)
