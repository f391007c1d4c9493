"""Collections: their indexes, rules and schemas, and the search for documents that do not match a schema."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.pkg.cursors import MAX_LIMIT

MAX_HIDDEN: Final = 50

FUNCTION_NAME: Final = r"^[a-z][a-z0-9-]{0,62}$"
MAX_TIMEOUT_MS: Final = 10_000

MaxScan = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]

FieldPath = Annotated[str, msgspec.Meta(pattern=r"^[^_.][^.]*(\.[^.]+)*$", max_length=200)]


class IndexSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The index that a caller wants. `where`: the index holds only documents that match this filter.

    All further settings are for indexes with the `type` text. `stemming`: the language of word stems; a search then
    finds all words with the same stem. `prefix`: true to make searches for prefixes of words fast. `weights`: the
    weight of a match in a field, by field; the default is 1.
    """

    fields: tuple[str, ...]
    name: str = ""
    unique: bool = False
    where: dict[str, Any] | None = None
    type: Literal["keys", "text"] = "keys"
    stemming: Literal["english"] | None = None
    prefix: bool = False
    weights: dict[str, float] = {}


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The sources of the rules. `hidden`: for the dotted path of a field, a rule that hides the field from readers."""

    list: str | None = None
    get: str | None = None
    create: str | None = None
    update: str | None = None
    delete: str | None = None
    hidden: Annotated[dict[FieldPath, str], msgspec.Meta(max_length=MAX_HIDDEN)] = {}


WriteOp = Literal["create", "update", "delete"]


class BeforeWrite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The function whose hook `beforeWrite` is called before documents are written (docs/before-writes.md).

    `on`: the kinds of writes for which the function is called. `timeout_ms`: the time limit for the answer of the
    function. If the function does not answer in time, the write fails.
    """

    function: Annotated[str, msgspec.Meta(pattern=FUNCTION_NAME)]
    on: Annotated[tuple[WriteOp, ...], msgspec.Meta(min_length=1, max_length=3)] = ("create", "update", "delete")
    timeout_ms: Annotated[int, msgspec.Meta(ge=100, le=MAX_TIMEOUT_MS)] = 2_000


class CollectionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The requested state of a collection.

    Members that are left out stay as they are; null or an empty value removes them.

    `expires`: the dotted path of the field with the time (RFC 3339) at which the document expires. `schema`: JSON
    Schema 2020-12. `strict`: true if objects may have only the fields that the schema describes. `before_write`: the
    function that is called before each write.
    `before_images`: true if the change log keeps each document as it was before an update or delete. `max_scan`: the
    number of documents that a query of a caller bound by rules may examine, at most `bundoc.server_scan`; null for the
    number in the setting `bundoc.max_scan`.
    """

    indexes: tuple[IndexSpec, ...] | UnsetType = UNSET
    rules: Rules | UnsetType | None = UNSET
    expires: FieldPath | UnsetType | None = UNSET
    schema: dict[str, Any] | UnsetType | None = UNSET
    strict: bool | UnsetType = UNSET
    before_images: bool | UnsetType = UNSET
    before_write: BeforeWrite | UnsetType | None = UNSET
    max_scan: MaxScan | UnsetType | None = UNSET


class IndexState(msgspec.Struct, frozen=True, omit_defaults=True):
    """An index as it exists.

    `ready`: true if the index is built, so that queries use it. Before that, only writes update it. `progress`: the
    built part, 0 to 1. `system`: true if BunBase made the index, for a field with `x-ref` in the schema. The other
    members are the members of IndexSpec.
    """

    name: str
    fields: tuple[str, ...]
    unique: bool
    ready: bool
    progress: float | None = None
    where: dict[str, Any] | None = None
    type: Literal["keys", "text"] = "keys"
    stemming: Literal["english"] | None = None
    prefix: bool = False
    weights: dict[str, float] = {}
    system: bool = False


class RuleWarning(msgspec.Struct, frozen=True, tag_field="code", tag="rule_without_index"):
    """A rule that works now, but not with many documents. `detail`: a sentence for the developer, with the remedy.

    `from_documents`: the approximate number of documents above which BunBase refuses lists. `index`: the index to add,
    in the form of `PUT /v1/collections/{name}`; null if no index helps.
    """

    collection: str
    rule: str
    detail: str
    from_documents: int
    index: dict[str, Any] | None


class HookWarning(msgspec.Struct, frozen=True, tag_field="code", tag="before_write_missing"):
    """The collection names a function in `before_write` that cannot answer, so the writes will be refused.

    `detail`: a sentence for the developer, with the remedy.
    """

    collection: str
    function: str
    detail: str


class Collection(msgspec.Struct, frozen=True):
    """`documents`: the number of documents; `bytes`: their stored size.

    The server measures these two numbers only in an answer about a single collection.

    `warnings`: present only in the answer to a change of the collection.
    """

    name: str
    created_at: str
    indexes: tuple[IndexState, ...] = ()
    rules: Rules | None = None
    expires: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    before_images: bool = False
    documents: int | None = None
    bytes: int | None = None
    warnings: tuple[RuleWarning | HookWarning, ...] | None = None
    before_write: BeforeWrite | None = None
    max_scan: int | None = None


class MisfitQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`schema`, `strict`: the settings to check; UNSET stands for the saved settings of the collection."""

    schema: dict[str, Any] | UnsetType = UNSET
    strict: bool | UnsetType = UNSET
    limit: Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": MAX_LIMIT})] = 20
    cursor: str | None = None


class Misfit(msgspec.Struct, frozen=True):
    """A document that does not match. `errors`: the same list as in InvalidDocument."""

    id: str
    errors: tuple[dict[str, str], ...]


class Misfits(msgspec.Struct, frozen=True):
    """`examined`: the number of documents checked for this page. `next`: null when all documents have been checked."""

    items: tuple[Misfit, ...]
    examined: int
    next: str | None
