"""Collections of documents: their indexes, rules and schemas, and what does not fit them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

MAX_HIDDEN: Final = 50

FieldPath = Annotated[str, msgspec.Meta(pattern=r"^[^_.][^.]*(\.[^.]+)*$", max_length=200)]


class IndexSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`where`: only documents that fulfil this filter are in the index. The rest is for `type` text: `stemming` takes
    words for their stems, `prefix` makes searches for beginnings fast, `weights` say what a field counts, 1 otherwise.
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
    """As they are written. `hidden`: by the dotted path of a field, when readers may not see it."""

    list: str | None = None
    get: str | None = None
    create: str | None = None
    update: str | None = None
    delete: str | None = None
    hidden: Annotated[dict[FieldPath, str], msgspec.Meta(max_length=MAX_HIDDEN)] = {}


class CollectionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The wanted state of a collection. Members that are left out stay as they are; null or an empty value removes
    them.

    `expires`: the dotted path of the time, RFC 3339, at which a document ends. `schema`: JSON Schema 2020-12. `strict`:
    objects that the schema describes have no other fields.
    """

    indexes: tuple[IndexSpec, ...] | UnsetType = UNSET
    rules: Rules | UnsetType | None = UNSET
    expires: FieldPath | UnsetType | None = UNSET
    schema: dict[str, Any] | UnsetType | None = UNSET
    strict: bool | UnsetType = UNSET


class IndexState(msgspec.Struct, frozen=True, omit_defaults=True):
    """`ready`: queries use it; before, it is being built and writes maintain it already. `progress`: how far, 0 to 1.
    `system`: the schema made it, for a field that refers. The rest is as it was asked for.
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


class Collection(msgspec.Struct, frozen=True):
    """`documents` and `bytes`, of their stored form, only where one collection is asked for."""

    name: str
    created_at: str
    indexes: tuple[IndexState, ...] = ()
    rules: Rules | None = None
    expires: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    documents: int | None = None
    bytes: int | None = None


class MisfitQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`schema`, `strict`: left out, they are the collection's own."""

    schema: dict[str, Any] | UnsetType = UNSET
    strict: bool | UnsetType = UNSET
    limit: int = 20
    cursor: str | None = None


class Misfit(msgspec.Struct, frozen=True):
    """`errors`: as of InvalidDocument."""

    id: str
    errors: tuple[dict[str, str], ...]


class Misfits(msgspec.Struct, frozen=True):
    """`examined`: documents asked for this page. `next`: null once all have been."""

    items: tuple[Misfit, ...]
    examined: int
    next: str | None
