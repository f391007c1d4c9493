"""Public HTTP of Bundoc: `/v1/collections`, for the secret key and for developers."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import Response, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from bunbase.bundoc.routes.documents import AnyRequest, CollectionName, check_media, check_query
from bunbase.bundoc.routes.openapi import DocumentBody, document_response, no_content, problems
from bunbase.bundoc.schema.checking import check_size
from bunbase.contracts.bundoc import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.collections import Collection, CollectionSpec, MisfitQuery, Misfits
from bunbase.pkg import effort
from bunbase.pkg.api_json import api_json
from bunbase.pkg.connected import while_connected
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.http import Injected
from bunbase.pkg.media import JSON

TAGS: Final = ["Collections"]

Wait = Annotated[bool, QueryParameter(description="`false`: answer at once, indexes are built afterwards.")]
B = TypeVar("B", CollectionSpec, MisfitQuery)

LOOP_BYTES: Final = 4 << 10  # of a description that is read here and now

PROJECT: Final = "project"  # the front door's: which project a developer means


@get(
    "/v1/collections",
    summary="List collections",
    tags=TAGS,
    responses={200: document_response("All collections by name."), **problems(400, 403)},
)
async def list_collections(
    operator: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest
) -> Response[bytes]:
    check_query(request, (PROJECT,))
    found = await bundoc.collections(operator)
    body = await asyncio.to_thread(lambda: api_json({"items": [_shown(one) for one in found], "next": None}))
    return Response(body, media_type=JSON)


@get(
    "/v1/collections/{collection:str}",
    summary="Get a collection",
    tags=TAGS,
    responses={200: document_response("The collection, its indexes and its size."), **problems(400, 403, 404, 422)},
)
async def get_collection(
    operator: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName
) -> Response[bytes]:
    check_query(request, (PROJECT,))
    found = await while_connected(request.receive, bundoc.collection(operator, collection))
    return Response(await _written(found), media_type=JSON)


@put(
    "/v1/collections/{collection:str}",
    summary="Create or alter a collection",
    tags=TAGS,
    operation_class=DocumentBody,
    responses={
        200: document_response("The collection as it is now; its indexes are built."),
        202: document_response("The collection as it is now; an index that is not `ready` is still being built."),
        **problems(400, 403, 409, 415, 422),
    },
)
async def put_collection(
    operator: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    body: bytes,
    wait: Wait = True,
) -> Response[bytes]:
    """Takes `{indexes:[{name?,fields:["owner","-_created"],unique?,where?}],
    rules:{list,get,create,update,delete,hidden},expires:"ends_at",schema:{…},strict?}`.

    For search by words: `{type:"text",fields:["title","body"],weights?:{"title":4},stemming?:"english",prefix?}`.
    What is left out stays as it is; null, or nothing in it, takes it away. The answer comes when all indexes are built.
    """
    check_query(request, (PROJECT, "wait"))
    check_media(request, JSON)
    spec = await _read(body, CollectionSpec, 'A collection is described by a JSON object, such as {"indexes":[]}')
    made = await bundoc.put_collection(operator, collection, spec, wait)
    status = 200 if all(index.ready for index in made.indexes) else 202
    return Response(await _written(made), status_code=status, media_type=JSON)


@post(
    "/v1/collections/{collection:str}/misfits",
    status_code=200,
    summary="Find documents that do not fit a schema",
    tags=TAGS,
    operation_class=DocumentBody,
    responses={
        200: ResponseSpec(Misfits, generate_examples=False, description="Documents by id, and what is wrong."),
        **problems(400, 403, 404, 415, 422),
    },
)
async def find_misfits(
    operator: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName, body: bytes
) -> Response[Misfits]:
    """Takes `{schema?,strict?,limit?,cursor?}`: a schema before it is saved, or without it the one that is.

    A page looks at 500 documents: it may hold fewer than `limit`, or none; go on while `next` is not null.
    """
    check_query(request, (PROJECT,))
    check_media(request, JSON)
    query = await _read(body, MisfitQuery, 'What to look for is a JSON object, such as {"limit":20}')
    return Response(await bundoc.misfits(operator, collection, query), media_type=JSON)


@delete(
    "/v1/collections/{collection:str}",
    summary="Drop a collection",
    tags=TAGS,
    responses={204: no_content("The collection and all its documents are gone."), **problems(400, 403, 404, 409, 422)},
)
async def drop_collection(
    operator: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName
) -> None:
    check_query(request, (PROJECT,))
    await bundoc.drop_collection(operator, collection)


def _shown(collection: Collection) -> dict[str, Any]:
    """Leave out sizes that were not measured."""
    return {name: value for name, value in msgspec.to_builtins(collection).items() if value is not None}


async def _written(collection: Collection) -> bytes:
    """Schemas, rules and filters may be megabytes: a thread writes them."""
    return await asyncio.to_thread(lambda: api_json(_shown(collection)))


async def _read(body: bytes, kind: type[B], what: str) -> B:
    """Read a description in a thread if it is long. Raises: InvalidInput, InvalidSchema for one that is too large."""
    if len(body) <= LOOP_BYTES:
        return _described(body, kind, what)
    return await asyncio.to_thread(_described, body, kind, what)


def _described(body: bytes, kind: type[B], what: str) -> B:
    effort.note(len(body))
    try:
        found = msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f"{what}: {error}."
        raise InvalidInput(message, errors=[{"path": _pointer(str(error)), "message": message}]) from None
    if isinstance(found.schema, dict):
        check_size(found.schema)
    return found


def _pointer(error: str) -> str:
    """Turn the place that msgspec names, `$.indexes[0].fields`, into a JSON Pointer."""
    _, _, place = error.rpartition(" - at `$")
    return place.rstrip("`").replace("[", "/").replace("]", "").replace(".", "/") if place != error else ""


ROUTES = (list_collections, get_collection, put_collection, find_misfits, drop_collection)
