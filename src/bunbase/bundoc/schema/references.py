"""Fields that contain ids of documents: `"author": {"type": "string", "x-ref": "users", "x-on-delete": "cascade"}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from bunbase.bundoc.documents import read_all, read_fields, read_items, write
from bunbase.bundoc.schema.keywords import Place, Schema

REF: Final = "x-ref"
ON_DELETE: Final = "x-on-delete"
INDEX_PREFIX: Final = "_ref_"  # This prefix is reserved: clients cannot create an index with it.

OnDelete = Literal["restrict", "set_null", "cascade"]
ON_DELETES: Final = ("restrict", "set_null", "cascade")


class Reference(msgspec.Struct, frozen=True):
    """A field that refers to documents of `collection`; its `path` may lead through arrays.

    `on_delete`: the effect on the referring document when the document with the id is deleted.
    """

    path: Place
    collection: str
    on_delete: OnDelete = "restrict"

    @property
    def field(self) -> str:
        return ".".join(self.path)

    @property
    def index_name(self) -> str:
        return INDEX_PREFIX + self.field


class Field(msgspec.Struct, frozen=True):
    """A field, or the elements of an array field. `place`: the place of `schema` in the whole schema."""

    place: Place
    path: Place
    schema: Schema


def fields(schema: Any, place: Place = (), path: Place = ()) -> Iterator[Field]:
    """Yield the fields that only `properties` and `items` lead to. Arrays inside arrays have no path."""
    if not isinstance(schema, dict):
        return
    if path:
        yield Field(place, path, schema)
    for name, one in schema.get("properties", {}).items():
        yield from fields(one, (*place, "properties", name), (*path, name))
    if path and not _is_element(place):
        yield from fields(schema.get("items"), (*place, "items"), path)


def references_of(schema: Schema) -> tuple[Reference, ...]:
    referring = [one for one in fields(schema) if REF in one.schema]
    return tuple(Reference(one.path, one.schema[REF], one.schema.get(ON_DELETE, "restrict")) for one in referring)


def named(document: Any, path: Place, at: Place = (), element: bool = False) -> Iterator[tuple[Place, str]]:
    """Yield the ids at the path, each with its place in the document."""
    if isinstance(document, list) and at and not element:
        for number, one in enumerate(document):
            yield from named(one, path, (*at, str(number)), element=True)
    elif not path and isinstance(document, str):
        yield at, document
    elif path and isinstance(document, dict) and path[0] in document:
        yield from named(document[path[0]], path[1:], (*at, path[0]))


def _is_element(place: Place) -> bool:
    """True if the place is the `items` of an array, not a property with the name `items`."""
    return place[-1] == "items" and place[-2] != "properties"


def without(value: bytes, path: Place, ids: set[str], element: bool = False) -> bytes:
    """Return the document without these ids at the path. Null replaces a single id; an array loses the id.

    All other bytes stay as they are stored.
    """
    if value[:1] == b"[" and not element:
        items = [bytes(one) for one in read_items(value)]
        kept = [one for one in items if path or not _is_one(one, ids)]
        return write([msgspec.Raw(without(one, path, ids, element=True)) for one in kept])
    if not path:
        return b"null" if _is_one(value, ids) else value
    if value[:1] != b"{" or path[0] not in (inside := read_fields(value)):
        return value
    inside[path[0]] = msgspec.Raw(without(bytes(inside[path[0]]), path[1:], ids))
    return write(inside)


def _is_one(value: bytes, ids: set[str]) -> bool:
    return value[:1] == b'"' and read_all(value) in ids
