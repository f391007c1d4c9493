"""Public HTTP of Bundoc: `/v1/collections`, for the secret key and for developers."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import QueryParameter

from bunbase.bundoc.routes.documents import AnyRequest, CollectionName, check_media, check_query
from bunbase.bundoc.routes.openapi import no_content, problems
from bunbase.bundoc.routes.shapes import Collections, ShownCollection
from bunbase.bundoc.schema.checking import check_size
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, MisfitQuery, Misfits
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.pkg import effort
from bunbase.pkg.api_json import api_json
from bunbase.pkg.connected import while_connected
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.http import Injected
from bunbase.pkg.json_bodies import fault_in, read_json
from bunbase.pkg.media import JSON
from bunbase.pkg.openapi import answers, reads

TAGS: Final = ["Collections"]

Wait = Annotated[bool, QueryParameter(description="`false`: send the answer at once and build indexes afterwards.")]
B = TypeVar("B", CollectionSpec, MisfitQuery)

LOOP_BYTES: Final = 4 << 10  # A longer description of a collection is parsed in a thread, not in the event loop.

PROJECT: Final = "project"  # This parameter has the project of a developer. Only the gateway reads the parameter.


@get(
    "/v1/collections",
    summary="List collections",
    tags=TAGS,
    responses={200: answers(Collections, "All collections, sorted by name."), **problems(400, 403)},
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
    responses={
        200: answers(ShownCollection, "The collection, its indexes and its size."),
        **problems(400, 403, 404, 422),
    },
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
    operation_class=reads(CollectionSpec),
    responses={
        200: answers(ShownCollection, "The collection after the change; all of its indexes are built."),
        202: answers(
            ShownCollection, "The collection after the change; indexes that are not `ready` are still being built."
        ),
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
    rules:{list,get,create,update,delete,hidden},expires:"ends_at",schema:{…},strict?,before_images?,max_scan?}`.

    An index for text search: `{type:"text",fields:["title","body"],weights?:{"title":4},stemming?:"english",prefix?}`.
    `max_scan`: the number of documents that a query of a caller bound by rules may examine. Settings that are left out
    stay the same; null or an empty value removes a setting. BunBase sends the answer when all indexes are built; if
    `wait` is false, it answers earlier. `warnings` tells you if lists will be refused under the list rule when the
    collection has grown, and which index to add.
    """
    check_query(request, (PROJECT, "wait"))
    check_media(request, JSON)
    spec = await _read(body, CollectionSpec, 'A collection must be described by a JSON object, such as {"indexes":[]}')
    made = await bundoc.put_collection(operator, collection, spec, wait)
    status = 200 if all(index.ready for index in made.indexes) else 202
    return Response(await _written(made), status_code=status, media_type=JSON)


@post(
    "/v1/collections/{collection:str}/misfits",
    status_code=200,
    summary="Find documents that violate a schema",
    tags=TAGS,
    operation_class=reads(MisfitQuery),
    responses={
        200: answers(Misfits, "Documents that violate the schema, sorted by id, and the violations of each."),
        **problems(400, 403, 404, 415, 422),
    },
)
async def find_misfits(
    operator: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName, body: bytes
) -> Response[Misfits]:
    """Takes `{schema?,strict?,limit?,cursor?}`. Without `schema`, the saved schema is used.

    BunBase examines at most 500 documents for a page, so a page may have fewer items than `limit`, or no items.
    Continue while `next` is not null.
    """
    check_query(request, (PROJECT,))
    check_media(request, JSON)
    query = await _read(body, MisfitQuery, 'The body must be a JSON object, such as {"limit":20}')
    return Response(await bundoc.misfits(operator, collection, query), media_type=JSON)


@delete(
    "/v1/collections/{collection:str}",
    summary="Drop a collection",
    tags=TAGS,
    responses={
        204: no_content("The collection and all its documents are deleted."),
        **problems(400, 403, 404, 409, 422),
    },
)
async def drop_collection(
    operator: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName
) -> None:
    check_query(request, (PROJECT,))
    await bundoc.drop_collection(operator, collection)


def _shown(collection: Collection) -> dict[str, Any]:
    """Return the collection as JSON types, without sizes that were not measured."""
    return {name: value for name, value in msgspec.to_builtins(collection).items() if value is not None}


async def _written(collection: Collection) -> bytes:
    """Return the collection as JSON. A thread encodes it, since schemas, rules and filters may be megabytes long."""
    return await asyncio.to_thread(lambda: api_json(_shown(collection)))


async def _read(body: bytes, kind: type[B], what: str) -> B:
    """Parse a body, in a thread if it is long. Raises: Malformed, InvalidInput, InvalidSchema."""
    if len(body) <= LOOP_BYTES:
        return _described(body, kind, what)
    return await asyncio.to_thread(_described, body, kind, what)


def _described(body: bytes, kind: type[B], what: str) -> B:
    effort.note(len(body))
    try:
        found = read_json(body, kind)
    except msgspec.ValidationError as error:
        path, message = fault_in(error, kind)
        raise InvalidInput.at(path, message, f"{path}: {message}" if path else f"{message} {what}.") from None
    if isinstance(found.schema, dict):
        check_size(found.schema)
    return found


ROUTES = (list_collections, get_collection, put_collection, find_misfits, drop_collection)
