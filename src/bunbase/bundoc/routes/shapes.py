"""The types of bodies and answers that Bundoc passes on as bytes. These types only describe: no code parses with them.

A test compares the fields of each description with the fields that the code reads.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bunbase.bundoc.commits import MAX_WRITES
from bunbase.bundoc.documents import COLLECTION, ID
from bunbase.bundoc.permissions.rule_tests import Decision, Who
from bunbase.bundoc.query.aggregate import MAX_GROUP_FIELDS, MAX_PAGE_GROUPS, MAX_PUSHED, MAX_VALUES
from bunbase.contracts.bundoc.collections import Collection, RuleWarning
from bunbase.contracts.bundoc.documents import Highlight
from bunbase.pkg.cursors import DEFAULT_LIMIT, MAX_LIMIT
from bunbase.pkg.openapi import OpenObject
from bunbase.pkg.rules.coverage import Uncovered

CollectionName = Annotated[str, Meta(pattern=f"^{COLLECTION.pattern}$")]
Id = Annotated[str, Meta(pattern=f"^{ID.pattern}$", description="The id of the document.")]
Revision = Annotated[int, Meta(ge=1, description="The number of writes so far. The ETag is this number in quotes.")]
Created = Annotated[str, Meta(description="The time of creation, in RFC 3339.")]
Updated = Annotated[str, Meta(description="The time of the last write, in RFC 3339.")]
Filter = Annotated[dict[str, Any], Meta(description='A filter, such as `{"price":{"$lt":20}}`; see docs/queries.md.')]
Expanded = Annotated[
    dict[str, Any], Meta(description="With `expand`: the documents to which the fields refer, by field.")
]
Path = Annotated[str, Meta(min_length=1)]
Page = Annotated[int, Meta(ge=1, le=MAX_LIMIT)]


class NewDocument(OpenObject, kw_only=True, rename={"id": "_id"}):
    """Any JSON object. Names that begin with `_` are reserved: `_id` may name the document, and the other system fields
    of an earlier read have no effect.
    """

    id: Id | UnsetType = UNSET


class DocumentPatch(OpenObject):
    """Either fields to merge (RFC 7396: null removes a field), or update operators such as `{"$inc":{"likes":1}}`.
    Fields and operators cannot be mixed.
    """


class Document(OpenObject, kw_only=True, rename=lambda name: f"_{name}"):
    """A document: its system fields, and any fields of its own."""

    id: Id
    rev: Revision
    created: Created
    updated: Updated
    expand: Expanded | UnsetType = UNSET


class FoundDocument(OpenObject, kw_only=True, rename=lambda name: f"_{name}"):
    """A document of a page. It has all system fields except those that `select` leaves out; `_id` is always present."""

    id: Id
    rev: Revision | UnsetType = UNSET
    created: Created | UnsetType = UNSET
    updated: Updated | UnsetType = UNSET
    score: Annotated[float, Meta(description="With `score`: the relevance of the match.")] | UnsetType = UNSET
    highlights: (
        Annotated[dict[str, str], Meta(description="With `highlight`: excerpts with the matches, by field.")]
        | UnsetType
    ) = UNSET
    expand: Expanded | UnsetType = UNSET


class ShownChange(msgspec.Struct, omit_defaults=True):
    """A change of a document. `rev`: the new revision, or the last revision of a deleted document. `depth`: the number
    of triggered function runs in a row that led to the change. `before`: the document before the change, if its
    collection has `before_images`; left out for a created document, and if the log no longer has it.
    """

    seq: int
    op: Literal["create", "update", "delete"]
    collection: str
    id: str
    rev: int
    at: str
    depth: int = 0
    before: dict[str, Any] | UnsetType = UNSET


class ShownChanges(msgspec.Struct):
    """`next`: the `since` of the next request. `next` is never null, because more changes can always follow."""

    items: list[ShownChange]
    next: int


class LookedUp(msgspec.Struct):
    """A part of the list rule that had one value for the whole query. `expr`: the source of the part. `value`: true if
    the part is true; false if it is false or an error.
    """

    expr: str
    value: bool


class RulePlan(msgspec.Struct):
    """How BunBase applied the list rule.

    `left_over`: the parts of the rule that SQL cannot express. BunBase evaluates these parts for each document that the
    rest of the rule allows. `left_over` is empty if the database applies the whole rule. `looked_up`: the parts with
    look-ups that BunBase evaluated only once, because their keys use only the user, and fields that the filter sets to
    one value.
    """

    left_over: list[str]
    looked_up: list[LookedUp]


class GrowthWarning(msgspec.Struct):
    """The query examines more documents as the collection grows.

    When the collection has about `from_documents` documents, the query will be refused.
    `index`: the index to add, in the form of `PUT /v1/collections/{name}`; null if no index helps.
    """

    from_documents: int
    detail: str
    index: dict[str, Any] | None


class QueryPlan(msgspec.Struct):
    """How BunBase answered the query. `index`: the index that was used, `_id` if BunBase read the documents in the
    order of their ids. `examined`: the number of documents that count towards the budget. `merged_ranges`: the number
    of listed values for which parts of the index were read and merged, to keep the order. `within`: the index that
    narrows a `$search`.
    `rule`: the list rule, if the query is for a user bound by rules. `warnings`: the reasons why the query works now,
    but will be refused when the collection has grown.
    """

    index: str
    ordered_by_index: bool
    examined: int
    merged_ranges: int | UnsetType = UNSET
    within: str | UnsetType = UNSET
    rule: RulePlan | UnsetType = UNSET
    warnings: list[GrowthWarning] | UnsetType = UNSET


class DocumentPage(msgspec.Struct):
    """`next`: the `cursor` of the next page; null on the last page. `count`: the number of all matches, if the query
    has `count`.
    `count_is_estimate`: true if counting exactly would exceed the budget. For callers bound by rules, an estimate is
    the smallest possible number. `explain`: the query plan, if the query has `explain`.
    """

    items: list[FoundDocument]
    next: str | None
    count: int | UnsetType = UNSET
    count_is_estimate: Annotated[bool, Meta(extra_json_schema={"const": True})] | UnsetType = UNSET
    explain: QueryPlan | UnsetType = UNSET


class DocumentQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`sort`: fields, with `-` in front for descending order. `select`: the fields to return. `count`: true adds the
    number of all matches. `explain`: true adds the query plan. `expand`: fields with `x-ref`, whose documents are
    added.

    If `where` has a `$search`, `score` adds the relevance of each document, and `highlight` adds excerpts. With
    `explain`, `as` is the user for whom the list rule is applied, and null stands for a visitor who is not signed in.
    Only the secret key and members may send `as`.
    """

    where: Filter = {}
    sort: list[Path] = []
    limit: Page = DEFAULT_LIMIT
    cursor: str | None = None
    select: list[Path] | None = None
    count: bool = False
    explain: bool = False
    score: bool = False
    highlight: Highlight | None = None
    expand: list[Path] = []
    as_: Who | UnsetType | None = msgspec.field(name="as", default=UNSET)


class OrderedField(msgspec.Struct, forbid_unknown_fields=True):
    """A field of the first or last document. `sort`: the order of the documents; by default, the order of `_id`."""

    field: Path
    sort: list[Path] = []


class PushedField(msgspec.Struct, forbid_unknown_fields=True):
    """A field of the first documents. `sort`: the order of the documents. `limit`: the number of documents."""

    field: Path
    sort: list[Path] = []
    limit: Annotated[int, Meta(ge=1, le=MAX_PUSHED)] = MAX_PUSHED


class AggregatedValue(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One operator: `$count` is true; every other operator has the dotted path of a field. `$first`, `$last` and
    `$push` also take an object.
    """

    count: Annotated[bool, Meta(extra_json_schema={"const": True})] | UnsetType = msgspec.field(
        name="$count", default=UNSET
    )
    sum: str | UnsetType = msgspec.field(name="$sum", default=UNSET)
    avg: str | UnsetType = msgspec.field(name="$avg", default=UNSET)
    min: str | UnsetType = msgspec.field(name="$min", default=UNSET)
    max: str | UnsetType = msgspec.field(name="$max", default=UNSET)
    count_distinct: str | UnsetType = msgspec.field(name="$countDistinct", default=UNSET)
    first: str | OrderedField | UnsetType = msgspec.field(name="$first", default=UNSET)
    last: str | OrderedField | UnsetType = msgspec.field(name="$last", default=UNSET)
    push: str | PushedField | UnsetType = msgspec.field(name="$push", default=UNSET)


class DateTruncation(msgspec.Struct, forbid_unknown_fields=True):
    """The start of the `unit` in which the time of the field is. `timezone`: a name such as Europe/Berlin."""

    field: Path
    unit: Literal["year", "quarter", "month", "week", "day", "hour", "minute"]
    timezone: str = "UTC"


class GroupPart(msgspec.Struct, forbid_unknown_fields=True):
    """`$each`: a field whose array elements define groups. `as`: the name in the answer; by default, the name of the
    field.
    """

    each: Path | UnsetType = msgspec.field(name="$each", default=UNSET)
    date_trunc: DateTruncation | UnsetType = msgspec.field(name="$dateTrunc", default=UNSET)
    name: Path | UnsetType = msgspec.field(name="as", default=UNSET)


class DocumentAggregation(msgspec.Struct, forbid_unknown_fields=True):
    """`group`: the fields whose values define the groups. Without `group`, all documents are one group. `values`: names
    of your choice, each with one operator. `sort`: names of the group and of values, with `-` in front for descending
    order. With `explain`, `as` is the user for whom the list rule is applied, as for a query.
    """

    values: Annotated[dict[str, AggregatedValue], Meta(min_length=1, max_length=MAX_VALUES)]
    where: Filter = {}
    group: Annotated[list[Path | GroupPart], Meta(max_length=MAX_GROUP_FIELDS)] = []
    sort: Annotated[list[Path], Meta(max_length=MAX_GROUP_FIELDS)] = []
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_GROUPS)] | None = None
    cursor: str | None = None
    explain: bool = False
    as_: Who | UnsetType | None = msgspec.field(name="as", default=UNSET)


class AggregatedGroups(msgspec.Struct):
    """One item for each group. An item has the group's fields and the values under their names. `next`: the `cursor` of
    the next page; null on the last page. `explain`: the plan of the aggregate, if the request has `explain`.
    """

    items: list[dict[str, Any]]
    next: str | None
    explain: QueryPlan | UnsetType = UNSET


class DocumentWrite(msgspec.Struct, forbid_unknown_fields=True):
    """`data`: the document for create and put, the changes for patch.

    `if_rev`: write only if this revision is stored now; 0 means that there must be no document. `id`: the id of the
    document, which only `create` may leave out.
    """

    op: Literal["create", "put", "patch", "delete", "check"]
    collection: CollectionName
    id: Id | None = None
    data: dict[str, Any] | UnsetType = UNSET
    if_rev: Annotated[int, Meta(ge=0)] | None = None


class DocumentWrites(msgspec.Struct, forbid_unknown_fields=True):
    """The writes of one transaction, in order."""

    writes: Annotated[list[DocumentWrite], Meta(min_length=1, max_length=MAX_WRITES)]


class ShownCollection(Collection, frozen=True, omit_defaults=True):
    """`documents`: the number of documents.

    `bytes`: the stored size of the documents. Only the answer about a single collection has these two numbers.

    `warnings`: only in the answer to a change. The warnings name list rules under which lists will be refused when the
    collection has grown, and a function that cannot answer before writes.
    """


class Collections(msgspec.Struct):
    """`next` is always null, because the list is not divided into pages."""

    items: list[ShownCollection]
    next: str | None


class RuleCoverage(msgspec.Struct):
    """The halves of the conditions of a rule that the cases have reached.

    Each condition has two halves: true and false.

    `total`, `covered`: the number of all halves, and of those that the cases have reached. `missing`: the halves that
    no case has reached.
    """

    collection: str
    rule: str
    total: int
    covered: int
    missing: list[Uncovered]


class Decisions(msgspec.Struct):
    """`items`: one decision for each case, in order. `warnings`: list rules that will refuse lists when the collection
    has grown.
    """

    items: list[Decision]
    coverage: list[RuleCoverage]
    warnings: list[RuleWarning]
