"""Public HTTP of Bundoc: queries and aggregates as bodies, and `/v1/collections`."""

from __future__ import annotations

from typing import Any, Final, NoReturn, TypeVar

import msgspec
from litestar import Response, delete, get, post, put

from bunbase.bundoc.fast_routes import JSON
from bunbase.bundoc.openapi import DocumentBody, document_response, no_content, page_response, problems
from bunbase.bundoc.routes import AnyRequest, CollectionName, check_media, check_query
from bunbase.contracts.bundoc import Aggregation, Bundoc, Collection, IndexSpec, InvalidQuery, Query
from bunbase.contracts.caller import Caller
from bunbase.pkg.api_json import api_json
from bunbase.pkg.connected import while_connected
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.http import Injected

TAGS: Final = ["Documents"]
COLLECTIONS: Final = ["Collections"]

B = TypeVar("B", bound=msgspec.Struct)


class QueryBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    where: msgspec.Raw = msgspec.Raw(b"{}")
    sort: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    select: tuple[str, ...] | None = None
    count: bool = False
    explain: bool = False


class AggregateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    values: msgspec.Raw
    where: msgspec.Raw = msgspec.Raw(b"{}")
    group: tuple[str, ...] = ()


class CollectionBody(msgspec.Struct, frozen=True):
    indexes: tuple[IndexSpec, ...] = ()


@post(
    "/v1/data/{collection:str}/query",
    status_code=200,
    summary="Query documents",
    tags=TAGS,
    operation_class=DocumentBody,
    responses={200: page_response("Documents in order, and the cursor of the next page."), **problems(400, 403, 422)},
)
async def query_documents(
    client: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName, body: bytes
) -> Response[bytes]:
    """Takes `{where,sort:["-_created"],limit,cursor,select,count,explain}`; all of it may be left out."""
    check_query(request, ())
    check_media(request, JSON)
    asked = _read(body, QueryBody)
    query = Query(bytes(asked.where), asked.sort, asked.limit, asked.cursor, asked.select, asked.count, asked.explain)
    page = await while_connected(request.receive, bundoc.query(client, collection, query))
    return Response(page.body, media_type=JSON)


@post(
    "/v1/data/{collection:str}/aggregate",
    status_code=200,
    summary="Compute values over groups of documents",
    tags=TAGS,
    operation_class=DocumentBody,
    responses={200: page_response("An item for each group."), **problems(400, 403, 422)},
)
async def aggregate_documents(
    client: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName, body: bytes
) -> Response[bytes]:
    """Takes `{where,group:["status"],values:{"total":{"$sum":"price"},"n":{"$count":true}}}`."""
    check_query(request, ())
    check_media(request, JSON)
    asked = _read(body, AggregateBody)
    aggregation = Aggregation(bytes(asked.values), bytes(asked.where), asked.group)
    page = await while_connected(request.receive, bundoc.aggregate(client, collection, aggregation))
    return Response(page.body, media_type=JSON)


@get(
    "/v1/collections",
    summary="List collections",
    tags=COLLECTIONS,
    responses={200: document_response("All collections by name."), **problems(400, 403)},
)
async def list_collections(client: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest) -> Response[bytes]:
    check_query(request, ())
    items = [_shown(one) for one in await bundoc.collections(client)]
    return Response(api_json({"items": items, "next": None}), media_type=JSON)


@get(
    "/v1/collections/{collection:str}",
    summary="Get a collection",
    tags=COLLECTIONS,
    responses={200: document_response("The collection, its indexes and its size."), **problems(400, 403, 404, 422)},
)
async def get_collection(
    client: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName
) -> Response[bytes]:
    check_query(request, ())
    found = await while_connected(request.receive, bundoc.collection(client, collection))
    return Response(api_json(_shown(found)), media_type=JSON)


@put(
    "/v1/collections/{collection:str}",
    summary="Create or alter a collection",
    tags=COLLECTIONS,
    operation_class=DocumentBody,
    responses={
        200: document_response("The collection as it is now; its indexes are built."),
        **problems(400, 403, 409, 415, 422),
    },
)
async def put_collection(
    client: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName, body: bytes
) -> Response[bytes]:
    """Takes `{indexes:[{name?,fields:["owner","-_created"],unique?}]}`: afterwards these are all its indexes."""
    check_query(request, ())
    check_media(request, JSON)
    try:
        asked = msgspec.json.decode(body, type=dict[str, Any])
        unknown = [name for name in asked if name != "indexes"]
        if unknown:
            _refuse(f"/{unknown[0]}", f"{unknown[0]} is not available yet: a collection takes indexes.")
        indexes = msgspec.convert(asked, CollectionBody).indexes
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _refuse("", f'A collection is described by a JSON object, such as {{"indexes":[]}}: {error}.')
    made = await bundoc.put_collection(client, collection, indexes)
    return Response(api_json(_shown(made)), media_type=JSON)


@delete(
    "/v1/collections/{collection:str}",
    summary="Drop a collection",
    tags=COLLECTIONS,
    responses={204: no_content("The collection and all its documents are gone."), **problems(400, 403, 404, 422)},
)
async def drop_collection(
    client: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName
) -> None:
    check_query(request, ())
    await bundoc.drop_collection(client, collection)


def _shown(collection: Collection) -> dict[str, Any]:
    """Leave out sizes that were not measured."""
    return {name: value for name, value in msgspec.to_builtins(collection).items() if value is not None}


def _read(body: bytes, kind: type[B]) -> B:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidQuery(f"The body is not such a query: {error}.", path="") from None


def _refuse(path: str, message: str) -> NoReturn:
    raise InvalidInput(message, errors=[{"path": path, "message": message}])


ROUTES = (
    query_documents,
    aggregate_documents,
    list_collections,
    get_collection,
    put_collection,
    drop_collection,
)
