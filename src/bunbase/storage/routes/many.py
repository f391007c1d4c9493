"""Lists, copies, moves, deletions of many objects, and signed links."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.params import QueryParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.storage import (
    MAX_KEY_BYTES,
    MAX_KEYS,
    Copying,
    DeletedObject,
    Listing,
    NewLink,
    ObjectPage,
    SignedLink,
    Storage,
    StoredObject,
)
from bunbase.pkg.http import Cursor, Injected, Limit
from bunbase.pkg.json_bodies import read_input
from bunbase.pkg.openapi import answers, reads
from bunbase.storage.routes.answer import written_answer
from bunbase.storage.routes.buckets import TAGS, AnyRequest, BucketName

Prefix = Annotated[str, QueryParameter(max_length=MAX_KEY_BYTES, description="Only keys that begin with this text.")]
Delimiter = Annotated[
    str,
    QueryParameter(
        max_length=32,
        description="Keys that have this text after the prefix are grouped up to it. So `/` lists one folder.",
    ),
]
WRITTEN: Final = {
    200: answers(StoredObject, "The target was replaced."),
    201: answers(StoredObject, "The target was created."),
}


SomeKey = Annotated[str, msgspec.Meta(max_length=MAX_KEY_BYTES)]


class ObjectKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bucket: Annotated[str, msgspec.Meta(max_length=63)]
    keys: Annotated[tuple[SomeKey, ...], msgspec.Meta(min_length=1, max_length=MAX_KEYS)]


class DeletedObjects(msgspec.Struct, frozen=True):
    """`items`: the result of each key, in the order of the request."""

    items: tuple[DeletedObject, ...]


@get("/v1/storage/list/{bucket:str}", summary="List objects", tags=TAGS)
async def list_objects(
    accessor: Injected[Caller],
    storage: Injected[Storage],
    bucket: BucketName,
    prefix: Prefix = "",
    delimiter: Delimiter = "",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> ObjectPage:
    """Returns objects in the order of the bytes of their keys. The rule `list` is a filter.

    A page may have fewer objects than `limit`, because a rule examines a limited number of objects for each page. Only
    `next` shows whether more objects follow.
    """
    return await storage.objects(accessor, bucket, Listing(prefix, delimiter, limit, cursor))


@post(
    "/v1/storage/copy",
    status_code=200,
    summary="Copy an object",
    tags=TAGS,
    operation_class=reads(Copying),
    responses=WRITTEN,
)
async def copy_object(
    accessor: Injected[Caller], storage: Injected[Storage], request: AnyRequest, body: bytes
) -> Response[bytes]:
    """Copies an object without copying its bytes, so a copy of a large object is as fast as that of a small one.

    Rules: `get` for the source, and `create` or `update` for the target.
    """
    copying = read_input(request.headers, body, Copying)
    return written_answer(await storage.copy_object(accessor, copying, moves=False))


@post(
    "/v1/storage/move",
    status_code=200,
    summary="Move an object",
    tags=TAGS,
    operation_class=reads(Copying),
    responses=WRITTEN,
)
async def move_object(
    accessor: Injected[Caller], storage: Injected[Storage], request: AnyRequest, body: bytes
) -> Response[bytes]:
    """Moves an object to another key or bucket, without copying its bytes.

    Rules: as for a copy, and `delete` for the source.
    """
    copying = read_input(request.headers, body, Copying)
    return written_answer(await storage.copy_object(accessor, copying, moves=True))


@post(
    "/v1/storage/delete",
    status_code=200,
    summary="Delete many objects",
    tags=TAGS,
    operation_class=reads(ObjectKeys),
)
async def delete_objects(
    accessor: Injected[Caller], storage: Injected[Storage], request: AnyRequest, body: bytes
) -> DeletedObjects:
    """Deletes up to 1,000 objects. A missing object counts as deleted. The result of each key shows whether a rule
    denied it.
    """
    sent = read_input(request.headers, body, ObjectKeys)
    return DeletedObjects(await storage.delete_objects(accessor, sent.bucket, sent.keys))


@post("/v1/storage/sign", status_code=200, summary="Make a signed link", tags=TAGS, operation_class=reads(NewLink))
async def sign_link(
    operator: Injected[Caller], storage: Injected[Storage], request: AnyRequest, body: bytes
) -> SignedLink:
    """Makes a link that allows one method for one object, for everybody who has it, until it expires (7 days at most).

    `path` is to be appended to the address of the server. With the method PUT, `content_type` and `max_bytes` limit the
    upload. A link cannot be taken back, except by deleting the bucket.
    """
    return await storage.sign(operator, read_input(request.headers, body, NewLink))


ROUTES: Final = (list_objects, copy_object, move_object, delete_objects, sign_link)
