"""Tools that read documents."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from bunbase.cli.mcp.answers import (
    NOTICE,
    WHOLE,
    Cut,
    Notice,
    names_of,
    number_that_fits,
    without_largest,
)
from bunbase.cli.mcp.project_api import ProjectApi, data_path
from bunbase.cli.mcp.tool import Tool

MAX_DOCUMENTS: Final = 50

CollectionName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,62}$", description="The name of the collection.")]
DocumentId = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$", description="The id of the document.")]
Where = Annotated[
    dict[str, Any],
    Meta(
        description='A filter with MongoDB\'s operators, such as {"status": "done", "views": {"$gt": 10}}. '
        'Words are searched with {"$search": "quick fox"} if there is a text index. Default: all documents.'
    ),
]
Sort = Annotated[
    list[str],
    Meta(max_length=8, description='Fields, with - in front for descending order, such as ["-_created", "title"].'),
]


class QueryArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: CollectionName
    where: Where = {}
    sort: Sort = []
    select: Annotated[
        list[str] | None,
        Meta(description='Dotted paths of the fields to return, such as ["title", "author.name"].'),
    ] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_DOCUMENTS, description="The largest number of documents.")] = 10
    cursor: Annotated[str | None, Meta(description="`next` of an earlier answer with the same where and sort.")] = None
    count: Annotated[bool, Meta(description="Also count all documents that match.")] = False


class FoundDocuments(msgspec.Struct, frozen=True):
    notice: Notice
    documents: list[dict[str, Any]]
    next: Annotated[str | None, Meta(description="The cursor of the next page; null on the last page.")]
    count: Annotated[int | None, Meta(description="With `count`: the number of all documents that match.")]
    count_is_estimate: Annotated[bool, Meta(description="The exact number would exceed the budget of a query.")]
    cut: Cut


class ExplainArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: CollectionName
    where: Where = {}
    sort: Sort = []
    limit: Annotated[int, Meta(ge=1, le=MAX_DOCUMENTS, description="As in query_documents.")] = 10


class ShownPlan(msgspec.Struct, frozen=True):
    index: Annotated[str | None, Meta(description="The index that the query uses; null if it reads the collection.")]
    ordered_by_index: Annotated[bool, Meta(description="True if nothing had to be sorted.")]
    examined: Annotated[int, Meta(description="The number of documents that were read for the page.")]


class AggregateArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: CollectionName
    values: Annotated[
        dict[str, dict[str, Any]],
        Meta(
            min_length=1,
            description="Names of your choice, each with one operator: "
            '{"total": {"$sum": "price"}, "n": {"$count": true}}; also $avg, $min, $max, $countDistinct, '
            "$first, $last and $push.",
        ),
    ]
    where: Where = {}
    group: Annotated[
        list[str | dict[str, Any]],
        Meta(
            max_length=8,
            description='Fields whose values make the groups, such as ["status"]; also {"$each": "tags"} and '
            '{"$dateTrunc": {"field": "paid_at", "unit": "month", "timezone": "Europe/Berlin"}}.',
        ),
    ] = []
    sort: Annotated[list[str], Meta(max_length=8, description='Names of group and values, such as ["-total"].')] = []


class FoundGroups(msgspec.Struct, frozen=True):
    notice: Notice
    groups: list[dict[str, Any]]
    cut: Cut


class GetArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: CollectionName
    id: DocumentId


class FoundDocument(msgspec.Struct, frozen=True):
    notice: Notice
    document: dict[str, Any]
    cut: Cut


class DocumentsPage(msgspec.Struct, frozen=True):
    """The part of the answer of `POST /v1/data/{collection}/query` that the tools read."""

    items: list[dict[str, Any]]
    next: str | None = None
    count: int | None = None
    count_is_estimate: bool = False
    explain: ShownPlan | None = None


class GroupsPage(msgspec.Struct, frozen=True):
    items: list[dict[str, Any]]
    next: str | None = None


def query_documents(project: ProjectApi, asked: QueryArguments) -> FoundDocuments:
    page = _page(project, asked)
    fitting = number_that_fits(page.items)
    if fitting == len(page.items):
        return FoundDocuments(NOTICE, page.items, page.next, page.count, page.count_is_estimate, WHOLE)
    # The cursor points behind the last document of a page. So if a page is too large, the tool requests it again with a
    # lower limit.
    shorter = _page(project, msgspec.structs.replace(asked, limit=max(fitting, 1)))
    cut = f"Only {max(fitting, 1)} of {len(page.items)} documents fit. Read on with `cursor`, or use `select`."
    documents = shorter.items
    if not fitting and documents:
        documents, left_out = [without_largest(documents[0])[0]], without_largest(documents[0])[1]
        cut += f" The document is too large. Left out: {names_of(left_out)}."
    return FoundDocuments(NOTICE, documents, shorter.next, page.count, page.count_is_estimate, cut)


def explain_query(project: ProjectApi, asked: ExplainArguments) -> ShownPlan:
    body = {"where": asked.where, "sort": asked.sort, "limit": asked.limit, "select": ["_id"], "explain": True}
    page = project.ask(DocumentsPage, "POST", data_path("data", asked.collection, "query"), body)
    assert page.explain is not None
    return page.explain


def aggregate_documents(project: ProjectApi, asked: AggregateArguments) -> FoundGroups:
    body = {"where": asked.where, "group": asked.group, "values": asked.values, "sort": asked.sort}
    page = project.ask(GroupsPage, "POST", data_path("data", asked.collection, "aggregate"), body)
    fitting = number_that_fits(page.items)
    whole = fitting == len(page.items) and page.next is None
    there = f"more than {len(page.items)}" if page.next else len(page.items)
    cut = f"Only {fitting} of {there} groups fit. Ask for fewer groups with `where`, or for the first with `sort`."
    return FoundGroups(NOTICE, page.items[:fitting], WHOLE if whole else cut)


def get_document(project: ProjectApi, asked: GetArguments) -> FoundDocument:
    whole = project.ask(dict[str, Any], "GET", data_path("data", asked.collection, asked.id))
    document, left_out = without_largest(whole)
    cut = f"The document is too large. Left out: {names_of(left_out)}. Read parts with `select` of query_documents."
    return FoundDocument(NOTICE, document, cut if left_out else WHOLE)


def _page(project: ProjectApi, asked: QueryArguments) -> DocumentsPage:
    body: dict[str, Any] = {"where": asked.where, "sort": asked.sort, "limit": asked.limit, "count": asked.count}
    optional = {"select": asked.select, "cursor": asked.cursor}
    body |= {name: value for name, value in optional.items() if value is not None}
    return project.ask(DocumentsPage, "POST", data_path("data", asked.collection, "query"), body)


TOOLS: Final = (
    Tool(
        "query_documents",
        "Query documents",
        "Find documents of a collection by a filter, in an order, page by page.",
        QueryArguments,
        FoundDocuments,
        query_documents,
        shows_data=True,
    ),
    Tool(
        "aggregate_documents",
        "Aggregate documents",
        "Compute counts, sums, averages, minima and maxima over groups of documents.",
        AggregateArguments,
        FoundGroups,
        aggregate_documents,
        shows_data=True,
    ),
    Tool(
        "explain_query",
        "Explain a query",
        "Show which index a query uses and how many documents it reads. The documents are not returned.",
        ExplainArguments,
        ShownPlan,
        explain_query,
    ),
    Tool(
        "get_document",
        "Get a document",
        "Read one document by its id.",
        GetArguments,
        FoundDocument,
        get_document,
        shows_data=True,
    ),
)
