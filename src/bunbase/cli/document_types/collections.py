"""The types of all collections of a project, and the revision of their schemas."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from bunbase.cli.document_types.model import NamedType, Type
from bunbase.cli.document_types.naming import document_names
from bunbase.cli.document_types.schemas import Reference, SchemaReader, references_in, text_of

REVISION_BYTES: Final = 8


class CollectionSchema(msgspec.Struct, frozen=True):
    """A collection as the server describes it. `schema`: None if documents may have any fields."""

    name: str
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class CollectionTypes(msgspec.Struct, frozen=True):
    """The types of one collection. `document`: the name of the type of its documents. `type`: None without a schema.

    `named`: the types that `type` refers to. `text`: the title and description of the schema.
    """

    name: str
    document: str
    type: Type | None
    named: dict[NamedType, Type]
    references: tuple[Reference, ...]
    text: str


def types_of(collections: Iterable[CollectionSchema]) -> list[CollectionTypes]:
    """Return the types of the collections, ordered by name."""
    known = sorted(collections, key=lambda one: one.name)
    names = document_names([one.name for one in known])
    return [_types_of(one, names[one.name]) for one in known]


def revision_of(collections: Iterable[CollectionSchema]) -> str:
    """Return a hash of the schemas. If a type may have changed, the hash is different."""
    known = {one.name: [one.schema, bool(one.strict)] for one in collections}
    return hashlib.blake2b(msgspec.json.encode(known, order="sorted"), digest_size=REVISION_BYTES).hexdigest()


def _types_of(collection: CollectionSchema, document: str) -> CollectionTypes:
    if collection.schema is None:
        return CollectionTypes(collection.name, document, None, {}, (), "")
    reader = SchemaReader(collection.schema)
    type = reader.document()
    references = tuple(sorted(references_in(collection.schema), key=lambda one: one.path))
    return CollectionTypes(collection.name, document, type, reader.named, references, text_of(collection.schema))
