"""Public HTTP of Bundoc: queries and aggregations in the body of a request."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, post
from msgspec import UNSET, UnsetType

from bunbase.bundoc.permissions.rule_tests import Who
from bunbase.bundoc.routes import fast
from bunbase.bundoc.routes.documents import (
    AnyRequest,
    AtLeast,
    CollectionName,
    asked_of,
    check_media,
    check_query,
    response_of,
)
from bunbase.bundoc.routes.openapi import page_response, problems
from bunbase.bundoc.routes.sent_queries import read_body, sent_user
from bunbase.bundoc.routes.shapes import AggregatedGroups, DocumentAggregation, DocumentQuery
from bunbase.contracts.bundoc.documents import Aggregation
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.pkg.connected import while_connected
from bunbase.pkg.http import Injected
from bunbase.pkg.media import JSON
from bunbase.pkg.openapi import answers, reads

TAGS: Final = ["Documents"]


class AggregateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    values: msgspec.Raw
    where: msgspec.Raw = msgspec.Raw(b"{}")
    group: tuple[str | dict[str, Any], ...] = ()
    sort: tuple[str, ...] = ()
    limit: int | None = None
    cursor: str | None = None
    explain: bool = False
    as_: Who | UnsetType | None = msgspec.field(name="as", default=UNSET)


@post(
    "/v1/data/{collection:str}/query",
    status_code=200,
    summary="Query documents",
    tags=TAGS,
    operation_class=reads(DocumentQuery),
    responses={
        200: page_response("The documents of this page, and the cursor of the next page."),
        **problems(400, 403, 422),
    },
)
async def query_documents(
    accessor: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    body: bytes,
    at_least: AtLeast = None,
) -> Response[bytes]:
    """Takes `{where,sort:["-_created"],limit,cursor,select,count,explain,expand:["author"]}`; each member is optional.

    `{"explain":true,"as":{"uid":"ada"}}` explains the query as if this user sent it, under the list rule.

    If `where` contains `"$search":"quick fox"`, the query also takes `score`, which adds `_score`, and
    `highlight:{fields:["title"],before:"<mark>",after:"</mark>",length:120}`, which adds `_highlights`.
    """
    check_query(request, ())
    asked = asked_of(request, (collection,), body)
    return response_of(await while_connected(request.receive, fast.query(bundoc, accessor, asked)))


@post(
    "/v1/data/{collection:str}/aggregate",
    status_code=200,
    summary="Compute values over groups of documents",
    tags=TAGS,
    operation_class=reads(DocumentAggregation),
    responses={200: answers(AggregatedGroups, "One item for each group."), **problems(400, 403, 422)},
)
async def aggregate_documents(
    accessor: Injected[Caller],
    bundoc: Injected[Bundoc],
    request: AnyRequest,
    collection: CollectionName,
    body: bytes,
    at_least: AtLeast = None,
) -> Response[bytes]:
    """Takes `{where,group:["status"],values:{"total":{"$sum":"price"},"n":{"$count":true}},sort:["-total"],limit}`.

    `group` may also have `{"$each":"tags"}`, for the elements of an array, and
    `{"$dateTrunc":{"field":"paid_at","unit":"month","timezone":"Europe/Berlin"}}`, for times. `next` is the `cursor` of
    the next page. `explain` adds the plan, and warnings if BunBase will refuse the aggregate when there are more
    documents. With `as`, the answer has the plan for this user, as for a query.
    """
    check_query(request, ())
    check_media(request, JSON)
    asked = read_body(body, AggregateBody)
    aggregation = Aggregation(
        values=bytes(asked.values),
        where=bytes(asked.where),
        group=asked.group,
        sort=asked.sort,
        limit=asked.limit,
        cursor=asked.cursor,
        explain=asked.explain,
        explain_as=sent_user(asked.as_),
    )
    page = await while_connected(request.receive, bundoc.aggregate(accessor, collection, aggregation, at_least or ""))
    return Response(page.body, media_type=JSON)


ROUTES = (
    query_documents,
    aggregate_documents,
)
