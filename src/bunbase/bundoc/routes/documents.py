"""Public HTTP of Bundoc: `/v1/data`, `/v1/commit` and `/v1/changes`. Documents are passed on as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, delete, get, patch, post, put
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from bunbase.bundoc.documents import COLLECTION, ID, STATE
from bunbase.bundoc.routes import fast
from bunbase.bundoc.routes.openapi import document_response, no_content, page_response, problems
from bunbase.bundoc.routes.preconditions import REVISION
from bunbase.bundoc.routes.preconditions import TAGS as ETAGS
from bunbase.bundoc.routes.sent_queries import QUERYING, named
from bunbase.bundoc.routes.shapes import DocumentPatch, DocumentWrites, NewDocument, ShownChanges
from bunbase.contracts.bundoc.documents import ChangeEntry, Changes, Commit
from bunbase.contracts.bundoc.problems import InvalidQuery
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.fast_routes import Answer, FastRequest
from bunbase.pkg.connected import while_connected
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.errors import Stopping
from bunbase.pkg.http import Cursor, IdempotencyKey, Injected, Limit
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.idempotency import sent_key
from bunbase.pkg.media import JSON
from bunbase.pkg.openapi import answers, reads

TAGS: Final = ["Documents"]

# Only the gateway reads these parameters. One has the key of a caller that cannot set headers, the other has the
# project of a member.
OF_THE_GATEWAY: Final = frozenset({"key", "project"})

AnyRequest = Request[Any, Any, Any]
CollectionName = Annotated[
    str,
    PathParameter(
        description="The name of the collection, such as `blog_posts`.",
        schema_extra={"pattern": f"^{COLLECTION.pattern}$"},
    ),
]
DocumentId = Annotated[
    str, PathParameter(description="The id of the document.", schema_extra={"pattern": f"^{ID.pattern}$"})
]
Since = Annotated[int, QueryParameter(ge=0, description="`seq` of the last change that you have read, or 0.")]
WaitSeconds = Annotated[
    float, QueryParameter(ge=0, le=30, description="How many seconds to wait for a change if there is none yet.")
]
Where = Annotated[str | None, QueryParameter(description='A filter as JSON, such as `{"status":"done"}`.')]
Flag = Annotated[
    bool,
    QueryParameter(
        description="`true` adds to the answer: `count` the number of all matches, `explain` the query plan, `score` "
        "the relevance of each match."
    ),
]
Names = Annotated[
    str | None,
    QueryParameter(description="Fields, separated by commas; in `sort`, `-` before a field means descending."),
]
Expand = Annotated[
    str | None,
    QueryParameter(
        description="Fields with `x-ref`, separated by commas; `_expand` has the documents to which they refer."
    ),
]
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description='Write only if the document still has this revision, such as `"3"`.',
        schema_extra={"pattern": f"^{REVISION.pattern}$"},
    ),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match",
        description="`*`: write only if the document does not exist.",
        schema_extra={"enum": ["*"]},
    ),
]
AtLeast = Annotated[
    str | None,
    HeaderParameter(
        name="X-Bunbase-At-Least",
        description="`X-Bunbase-Seq` of an earlier answer. The answer then has that state, or a later one.",
        schema_extra={"pattern": f"^{STATE.pattern}$"},
    ),
]
IfChanged = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match",
        description='Answer 304 if the document still has this revision, such as `"3"`.',
        schema_extra={"pattern": rf"^(?:\*|{ETAGS.pattern})$"},
    ),
]


@post(
    "/v1/data/{collection:str}",
    summary="Create a document",
    tags=TAGS,
    operation_class=reads(NewDocument),
    responses={
        201: document_response("The document as it is stored now."),
        **problems(400, 403, 409, 413, 415, 422, 502, 503),
    },
)
async def create_document(
    accessor: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    body: bytes,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Stores a JSON object under its `_id`. Without `_id`, the object gets a new id, which sorts after all earlier new
    ids.

    If a name appears twice in an object, the last value counts. Numbers keep all their digits.
    """
    check_query(request, ())
    return response_of(await fast.create(bundoc, accessor, asked_of(request, (collection,), body)))


@get(
    "/v1/data/{collection:str}",
    summary="List documents",
    tags=TAGS,
    responses={
        200: page_response("The documents of this page, and the cursor of the next page."),
        **problems(400, 403, 422),
    },
)
async def list_documents(
    accessor: Injected[Caller],
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
    at_least: AtLeast = None,
) -> Response[bytes]:
    """Returns the documents that match `where`, sorted by `sort` or, without `sort`, by `_id`.

    Paging stays correct while documents are added and deleted.

    A page may have fewer documents than `limit` if they are large: continue while `next` is not null.
    """
    check_query(request, ("limit", "cursor", *QUERYING))
    parsed = {
        "limit": limit,
        "cursor": cursor,
        "where": where,
        "sort": sort,
        "select": select,
        "count": count,
        "explain": explain,
        "score": score,
        "expand": expand,
    }
    sent = {name: spelt(value) for name in request.query_params if (value := parsed.get(name)) is not None}
    asked = FastRequest((collection,), request.headers, sent)
    return response_of(await while_connected(request.receive, fast.list_page(bundoc, accessor, asked)))


@get(
    "/v1/data/{collection:str}/{id:str}",
    summary="Get a document",
    tags=TAGS,
    responses={
        200: document_response("The document. The ETag header has its revision."),
        304: no_content("The document still has the revision in `If-None-Match`."),
        **problems(400, 403, 404, 422),
    },
)
async def get_document(
    accessor: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    id: DocumentId,
    if_none_match: IfChanged = None,
    expand: Expand = None,
    at_least: AtLeast = None,
) -> Response[bytes]:
    check_query(request, ("expand",))
    if expand is not None:
        found = await bundoc.get(accessor, collection, id, named(expand) or (), at_least or "")
        # There is no ETag, since the expanded documents have their own revisions.
        return Response(found.body, media_type=JSON)
    return response_of(await fast.get(bundoc, accessor, asked_of(request, (collection, id))))


@put(
    "/v1/data/{collection:str}/{id:str}",
    summary="Replace or create a document",
    tags=TAGS,
    operation_class=reads(NewDocument),
    responses={
        200: document_response("The document as it is stored now."),
        201: document_response("The document did not exist and was created."),
        **problems(400, 403, 409, 412, 413, 415, 422, 502, 503),
    },
)
async def put_document(
    accessor: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    id: DocumentId,
    body: bytes,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """The body may contain the system fields of an earlier read; they have no effect."""
    check_query(request, ())
    return response_of(await fast.put(bundoc, accessor, asked_of(request, (collection, id), body)))


@patch(
    "/v1/data/{collection:str}/{id:str}",
    summary="Change a document",
    tags=TAGS,
    operation_class=reads(DocumentPatch, fast.MERGE_PATCH, JSON),
    responses={
        200: document_response("The document as it is stored now."),
        **problems(400, 403, 404, 409, 412, 413, 415, 422, 502, 503),
    },
)
async def patch_document(
    accessor: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    id: DocumentId,
    body: bytes,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Applies a JSON Merge Patch (RFC 7396): objects are merged, `null` removes a field, other values replace it.

    If names in the body begin with `$`, they are update operators with dotted paths, as in MongoDB: `$set` `$unset`
    `$rename` `$inc` `$mul` `$min` `$max` `$bit` `$push` (`$each`, `$position`, `$slice`, `$sort`) `$addToSet` `$pop`
    `$pull` `$pullAll` `$now` `$currentDate` `$setOnInsert`. In a path, `$[]` means every element of an array, and
    `$[x]` means the elements that the filter of `x` in `arrayFilters` finds. `arrayFilters` is a member of the body,
    like the operators. Operators change the newest stored document, so no increment is lost if many clients write at
    once.
    """
    check_query(request, ())
    return response_of(await fast.patch(bundoc, accessor, asked_of(request, (collection, id), body)))


@delete(
    "/v1/data/{collection:str}/{id:str}",
    summary="Delete a document",
    tags=TAGS,
    responses={204: no_content("The document is deleted."), **problems(400, 403, 404, 409, 412, 422, 502, 503)},
)
async def delete_document(
    accessor: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    id: DocumentId,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[None]:
    check_query(request, ())
    done = await fast.delete(bundoc, accessor, asked_of(request, (collection, id)))
    return Response(None, status_code=done.status, headers=dict(done.headers))


@post(
    "/v1/commit",
    summary="Write several documents in one transaction",
    tags=TAGS,
    status_code=200,
    operation_class=reads(DocumentWrites),
    responses={
        200: answers(Commit, "The revision of each document after the commit."),
        **problems(400, 403, 404, 409, 412, 413, 415, 422, 502, 503),
    },
)
async def commit_writes(
    accessor: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    body: bytes,
    idempotency_key: IdempotencyKey = None,
) -> Response[Commit]:
    """Applies up to 500 writes in order. If a write fails, no write is applied, and `write` in the problem is the index
    of the failed write.

    `op` is create, put, patch, delete or check. A check changes nothing, and fails if the document does not have the
    revision `if_rev`. If a commit checks each document that the client has read before, it is a full transaction.
    `if_rev` 0 means that the document must not exist. `rev` in the answer is the revision after the commit, 0 if there
    is no document.
    """
    check_query(request, ())
    check_media(request, JSON)
    done = await bundoc.commit(accessor, body, sent_key(request.headers))
    return Response(done.commit, headers=dict(fast.receipt(done.written)), media_type=JSON)


@get(
    "/v1/changes",
    summary="List changes of documents",
    tags=TAGS,
    responses={200: answers(ShownChanges, "The changes, oldest first."), **problems(400, 403, 410, 422)},
)
async def list_changes(
    operator: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    since: Since = 0,
    limit: Limit = DEFAULT_LIMIT,
    wait_seconds: WaitSeconds = 0.0,
) -> Response[bytes]:
    """Returns the changes in the project after `since`, oldest first. To continue, send `next` as the new `since`.

    `seq` has no gaps. `depth` is the number of triggered function runs in a row that led to the change; it is left out
    if no run led to the change. `before` is the document before an update or delete, if the collection has
    `before_images`; a page with such documents may be shorter than `limit`. When the server stops, it ends the wait for
    changes: `items` may then be empty although `wait_seconds` have not passed. After 410 `resync_required`, remember
    `last` of the problem, read the collections again, and continue with `since=<last>`.
    """
    check_query(request, ("since", "limit", "wait_seconds"))
    waiting = bundoc.changes(operator, since, limit, wait_seconds)
    try:
        changes = await while_connected(request.receive, waiting, ends=incoming(request.scope))
    except Stopping:
        changes = await bundoc.changes(operator, since, limit, 0.0)
    return Response(_shown(changes), media_type=JSON)


def _shown(changes: Changes) -> bytes:
    items = [msgspec.to_builtins(one) if one.before is None else _with_image(one, one.before) for one in changes.items]
    return msgspec.json.encode({"items": items, "next": changes.next})


def _with_image(change: ChangeEntry, before: bytes) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(change, before=None))
    return told | {"before": msgspec.Raw(before)}


def check_media(request: AnyRequest, *accepted: str) -> None:
    """Check the content type of a request. Raises: UnsupportedMedia."""
    fast.check_media(asked_of(request), *accepted)


def spelt(value: str | int | bool) -> str:
    """Return a parsed parameter if its spelling is the one that the fast lane accepts.

    Litestar also accepts `1` for `true`.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def asked_of(request: AnyRequest, names: tuple[str, ...] = (), body: bytes = b"") -> FastRequest:
    return FastRequest(names, request.headers, body=body)


def response_of(answer: Answer) -> Response[bytes]:
    return Response(
        answer.body, status_code=answer.status, headers=dict(answer.headers), media_type=answer.media or None
    )


def check_query(request: AnyRequest, known: Iterable[str]) -> None:
    """Refuse unknown query parameters. If BunBase ignored a misspelt filter, it would return too many documents.

    Raises: InvalidQuery.
    """
    for name in request.query_params:
        if name not in known and name not in OF_THE_GATEWAY:
            understood = ", ".join(known) or "no parameters"
            raise InvalidQuery(f"The parameter {name} is not known; this request takes {understood}.", path=name)


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
