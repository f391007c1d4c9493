"""Public HTTP of Bundoc: `/v1/data`. Documents pass through as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, patch, post, put
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from bunbase.bundoc.openapi import (
    DocumentBody,
    PatchBody,
    document_response,
    no_content,
    page_response,
    problems,
)
from bunbase.bundoc.preconditions import etag, precondition, unchanged
from bunbase.contracts.bundoc import Bundoc, Document, InvalidQuery, Query
from bunbase.contracts.caller import Caller
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.errors import UnsupportedMedia
from bunbase.pkg.http import Cursor, Injected, Limit

TAGS: Final = ["Documents"]

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
KEY: Final = "key"  # the front door's: the project key of those who cannot set headers

QUERYING: Final = frozenset({"where", "sort", "select", "count", "explain"})

AnyRequest = Request[Any, Any, Any]
CollectionName = Annotated[str, PathParameter(description="`[a-z][a-z0-9_]{0,62}`, such as `blog_posts`.")]
DocumentId = Annotated[str, PathParameter(description="1 to 64 letters, digits, `_` or `-`.")]
Where = Annotated[str | None, QueryParameter(description='A filter as JSON, such as `{"status":"done"}`.')]
Flag = Annotated[bool, QueryParameter(description="`true`: say how many there are in all, or how they were found.")]
Names = Annotated[str | None, QueryParameter(description="Fields with commas between; in `sort`, `-` descends.")]
IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description='Only if this is still the revision, such as `"3"`.')
]
IfNoneMatch = Annotated[
    str | None, HeaderParameter(name="If-None-Match", description="`*`: only if there is no such document.")
]
IfChanged = Annotated[
    str | None, HeaderParameter(name="If-None-Match", description='Answer 304 if this is still the revision: `"3"`.')
]


@post(
    "/v1/data/{collection:str}",
    summary="Create a document",
    tags=TAGS,
    operation_class=DocumentBody,
    responses={201: document_response("The document as it is stored now."), **problems(400, 403, 409, 413, 415, 422)},
)
async def create_document(
    client: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName, body: bytes
) -> Response[bytes]:
    """Stores a JSON object under the `_id` in it, or under a new id that sorts after all before it.

    Of a name that appears twice in one object the last counts. Numbers are kept digit for digit.
    """
    check_query(request, ())
    check_media(request, JSON)
    made = await bundoc.create(client, collection, body)
    return _answer(made, {"location": f"/v1/data/{collection}/{made.id}"})


@get(
    "/v1/data/{collection:str}",
    summary="List documents",
    tags=TAGS,
    responses={200: page_response("Documents by id, and the cursor of the next page."), **problems(400, 403, 422)},
)
async def list_documents(
    client: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    where: Where = None,
    sort: Names = None,
    select: Names = None,
    count: Flag = False,
    explain: Flag = False,
) -> Response[bytes]:
    """Gives documents that fulfil `where`, ordered by `sort`, else by `_id`. Pages stay in step while documents come
    and go.

    A page may hold fewer than `limit` when its documents are large: go on while `next` is not null.
    """
    check_query(request, ("limit", "cursor", *QUERYING))
    if not QUERYING & request.query_params.keys():
        page = await bundoc.list(client, collection, limit, cursor)
        return Response(page.body, media_type=JSON)
    query = Query(
        None if where is None else where.encode(), _names(sort) or (), limit, cursor, _names(select), count, explain
    )
    page = await bundoc.query(client, collection, query)
    return Response(page.body, media_type=JSON)


@get(
    "/v1/data/{collection:str}/{id:str}",
    summary="Get a document",
    tags=TAGS,
    responses={
        200: document_response("The document; its revision is the ETag."),
        304: no_content("The document still has the revision that was sent."),
        **problems(400, 403, 404, 422),
    },
)
async def get_document(
    client: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    id: DocumentId,
    if_none_match: IfChanged = None,
) -> Response[bytes]:
    check_query(request, ())
    found = await bundoc.get(client, collection, id)
    if unchanged(if_none_match, found.rev):
        return Response(b"", status_code=304, headers={"etag": etag(found.rev)})
    return _answer(found)


@put(
    "/v1/data/{collection:str}/{id:str}",
    summary="Replace or create a document",
    tags=TAGS,
    operation_class=DocumentBody,
    responses={
        200: document_response("The document as it is stored now."),
        201: document_response("There was none: it was created."),
        **problems(400, 403, 412, 413, 415, 422),
    },
)
async def put_document(
    client: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    id: DocumentId,
    body: bytes,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[bytes]:
    """System fields may be sent back as they were read; they change nothing."""
    check_query(request, ())
    check_media(request, JSON)
    written = await bundoc.put(client, collection, id, body, precondition(if_match, if_none_match))
    return _answer(written, {"location": f"/v1/data/{collection}/{id}"} if written.created else {})


@patch(
    "/v1/data/{collection:str}/{id:str}",
    summary="Change a document",
    tags=TAGS,
    operation_class=PatchBody,
    responses={
        200: document_response("The document as it is stored now."),
        **problems(400, 403, 404, 412, 413, 415, 422),
    },
)
async def patch_document(
    client: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    id: DocumentId,
    body: bytes,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[bytes]:
    """Applies a JSON Merge Patch (RFC 7396): objects are merged, `null` removes, everything else replaces."""
    check_query(request, ())
    check_media(request, JSON, MERGE_PATCH)
    return _answer(await bundoc.patch(client, collection, id, body, precondition(if_match, if_none_match)))


@delete(
    "/v1/data/{collection:str}/{id:str}",
    summary="Delete a document",
    tags=TAGS,
    responses={204: no_content("The document is gone."), **problems(400, 403, 404, 412, 422)},
)
async def delete_document(
    client: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    id: DocumentId,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> None:
    check_query(request, ())
    await bundoc.delete(client, collection, id, precondition(if_match, if_none_match))


def _answer(document: Document, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(
        document.body,
        status_code=201 if document.created else 200,
        headers={"etag": etag(document.rev), **(headers or {})},
        media_type=JSON,
    )


def _names(listed: str | None) -> tuple[str, ...] | None:
    return None if listed is None else tuple(name.strip() for name in listed.split(","))


def check_query(request: AnyRequest, known: Iterable[str]) -> None:
    """Refuse what is not understood: a filter that is silently ignored would give away too much.

    Raises: InvalidQuery.
    """
    for name in request.query_params:
        if name not in known and name != KEY:
            understood = " and ".join(known) or "no parameters"
            raise InvalidQuery(f"{name} is not understood here: this takes {understood}.", path=f"/{name}")


def check_media(request: AnyRequest, *accepted: str) -> None:
    """Raises: UnsupportedMedia. A body without a type is taken for JSON."""
    sent = request.headers.get("content-type", "").lower()
    media, _, parameters = (part.strip() for part in sent.partition(";"))
    if (media and media not in accepted) or parameters not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise UnsupportedMedia(f"Send {' or '.join(accepted)} in UTF-8.")


ROUTES = (create_document, list_documents, get_document, put_document, patch_document, delete_document)
