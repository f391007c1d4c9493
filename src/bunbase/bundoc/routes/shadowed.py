"""Routes of documents with the ids `query` and `aggregate`, whose paths are also the paths of POST routes.

A router prefers a literal path to a placeholder. So without this module, GET, PUT, PATCH and DELETE of these documents
would get 405 here, although the fast lane answers them.
"""

from __future__ import annotations

from typing import Final

from litestar import Response, delete, get, patch, put

from bunbase.bundoc.routes import documents
from bunbase.bundoc.routes.documents import AnyRequest, AtLeast, CollectionName, Names
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import Injected

PATHS: Final = ["/v1/data/{collection:str}/query", "/v1/data/{collection:str}/aggregate"]


@get(PATHS, include_in_schema=False)
async def get_shadowed(
    accessor: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    expand: Names = None,
    at_least: AtLeast = None,
) -> Response[bytes]:
    answer: Response[bytes] = await documents.get_document.fn(
        accessor, bundoc, request, collection, _id(request), expand=expand, at_least=at_least
    )
    return answer


@put(PATHS, include_in_schema=False)
async def put_shadowed(
    accessor: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName, body: bytes
) -> Response[bytes]:
    answer: Response[bytes] = await documents.put_document.fn(accessor, bundoc, request, collection, _id(request), body)
    return answer


@patch(PATHS, include_in_schema=False)
async def patch_shadowed(
    accessor: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName, body: bytes
) -> Response[bytes]:
    answer: Response[bytes] = await documents.patch_document.fn(
        accessor, bundoc, request, collection, _id(request), body
    )
    return answer


@delete(PATHS, include_in_schema=False)
async def delete_shadowed(
    accessor: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, collection: CollectionName
) -> Response[None]:
    answer: Response[None] = await documents.delete_document.fn(accessor, bundoc, request, collection, _id(request))
    return answer


def _id(request: AnyRequest) -> str:
    return request.url.path.rpartition("/")[2]


ROUTES: Final = (get_shadowed, put_shadowed, patch_shadowed, delete_shadowed)
