"""Public HTTP of Bundoc: `/v1/data`. Documents pass through as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, patch, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from bunbase.bundoc.routes import fast
from bunbase.bundoc.routes.openapi import (
    CommitBody,
    DocumentBody,
    PatchBody,
    document_response,
    no_content,
    page_response,
    problems,
)
from bunbase.bundoc.routes.sent_queries import QUERYING, named
from bunbase.contracts.bundoc import Bundoc, Changes, Commit, InvalidQuery, Query
from bunbase.contracts.caller import Caller
from bunbase.contracts.fast_routes import Answer, Asked
from bunbase.pkg.connected import while_connected
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit
from bunbase.pkg.media import JSON

TAGS: Final = ["Documents"]

KEY: Final = "key"  # the front door's: the project key of those who cannot set headers

AnyRequest = Request[Any, Any, Any]
CollectionName = Annotated[str, PathParameter(description="`[a-z][a-z0-9_]{0,62}`, such as `blog_posts`.")]
DocumentId = Annotated[str, PathParameter(description="1 to 64 letters, digits, `_` or `-`.")]
Since = Annotated[int, QueryParameter(ge=0, description="`seq` of the last change you know; 0 at the beginning.")]
WaitSeconds = Annotated[
    float, QueryParameter(ge=0, le=30, description="How long to wait when there is nothing new yet.")
]
Where = Annotated[str | None, QueryParameter(description='A filter as JSON, such as `{"status":"done"}`.')]
Flag = Annotated[
    bool, QueryParameter(description="`true`: say how many there are in all, how they were found, how well they fit.")
]
Names = Annotated[str | None, QueryParameter(description="Fields with commas between; in `sort`, `-` descends.")]
Expand = Annotated[
    str | None, QueryParameter(description="Fields with `x-ref`, commas between: their documents come in `_expand`.")
]
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
    return _response(await fast.create(bundoc, client, _asked(request, (collection,), body)))


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
    score: Flag = False,
    expand: Expand = None,
) -> Response[bytes]:
    """Gives documents that fulfil `where`, ordered by `sort`, else by `_id`. Pages stay in step while documents come
    and go.

    A page may hold fewer than `limit` when its documents are large: go on while `next` is not null.
    """
    check_query(request, ("limit", "cursor", *QUERYING))
    if not QUERYING & request.query_params.keys():
        page = await while_connected(request.receive, bundoc.list(client, collection, limit, cursor))
        return Response(page.body, media_type=JSON)
    query = Query(
        where=None if where is None else where.encode(),
        sort=named(sort) or (),
        limit=limit,
        cursor=cursor,
        select=named(select),
        count=count,
        explain=explain,
        score=score,
        expand=named(expand) or (),
    )
    page = await while_connected(request.receive, bundoc.query(client, collection, query))
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
    expand: Expand = None,
) -> Response[bytes]:
    check_query(request, ("expand",))
    if expand is not None:
        found = await bundoc.get(client, collection, id, named(expand) or ())
        return Response(found.body, media_type=JSON)  # without ETag: what comes along has revisions of its own
    return _response(await fast.get(bundoc, client, _asked(request, (collection, id))))


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
    return _response(await fast.put(bundoc, client, _asked(request, (collection, id), body)))


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
    """Applies a JSON Merge Patch (RFC 7396): objects are merged, `null` removes, everything else replaces.

    When its names begin with `$` it holds update operators instead, with MongoDB's meaning and dotted paths: `$set`
    `$unset` `$inc` `$mul` `$min` `$max` `$push` (`$each`, `$position`, `$slice`) `$addToSet` `$pull` `$now`. They are
    applied to what is stored when their turn comes: increments from many clients all count.
    """
    check_query(request, ())
    return _response(await fast.patch(bundoc, client, _asked(request, (collection, id), body)))


@delete(
    "/v1/data/{collection:str}/{id:str}",
    summary="Delete a document",
    tags=TAGS,
    responses={204: no_content("The document is gone."), **problems(400, 403, 404, 409, 412, 422)},
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
    await fast.delete(bundoc, client, _asked(request, (collection, id)))


@post(
    "/v1/commit",
    summary="Write several documents, all or none",
    tags=TAGS,
    status_code=200,
    operation_class=CommitBody,
    responses={200: ResponseSpec(Commit, generate_examples=False), **problems(400, 403, 404, 409, 412, 413, 415, 422)},
)
async def commit_writes(
    client: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, body: bytes
) -> Response[Commit]:
    """Does at most 500 writes in their order. If one fails, nothing was done, and `write` in the problem numbers it.

    `op` is create, put, patch, delete, or check, which changes nothing and fails unless `if_rev` is stored: with one
    for each document that was read, a commit is a transaction. `if_rev` 0 means: only if there is no such document.
    `rev` in the answer is the revision stored now, 0 if there is no document.
    """
    check_query(request, ())
    check_media(request, JSON)
    return Response(await bundoc.commit(client, body), media_type=JSON)


@get(
    "/v1/changes",
    summary="Changes of documents",
    tags=TAGS,
    responses={200: ResponseSpec(Changes, generate_examples=False), **problems(400, 403, 410, 422)},
)
async def list_changes(
    client: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    since: Since = 0,
    limit: Limit = DEFAULT_LIMIT,
    wait_seconds: WaitSeconds = 0.0,
) -> Response[Changes]:
    """Gives what was changed in the project after `since`, oldest first; `seq` has no gaps. Go on with `since=<next>`.
    `depth` counts the triggered runs of functions in a row that led to a change; it is left out for none.

    After 410 `resync_required`, note its `last`, read the collections again, then go on from there.
    """
    check_query(request, ("since", "limit", "wait_seconds"))
    changes = bundoc.changes(client, since, limit, wait_seconds)
    return Response(await while_connected(request.receive, changes), media_type=JSON)


def check_media(request: AnyRequest, *accepted: str) -> None:
    """Raises: UnsupportedMedia."""
    fast.check_media(_asked(request), *accepted)


def _asked(request: AnyRequest, names: tuple[str, ...] = (), body: bytes = b"") -> Asked:
    return Asked(names, request.headers, body=body)


def _response(answer: Answer) -> Response[bytes]:
    return Response(
        answer.body, status_code=answer.status, headers=dict(answer.headers), media_type=answer.media or None
    )


def check_query(request: AnyRequest, known: Iterable[str]) -> None:
    """Refuse what is not understood: a filter that is silently ignored would give away too much.

    Raises: InvalidQuery.
    """
    for name in request.query_params:
        if name not in known and name != KEY:
            understood = " and ".join(known) or "no parameters"
            raise InvalidQuery(f"{name} is not understood here: this takes {understood}.", path=f"/{name}")


ROUTES = (
    create_document,
    list_documents,
    get_document,
    put_document,
    patch_document,
    delete_document,
    commit_writes,
    list_changes,
)
