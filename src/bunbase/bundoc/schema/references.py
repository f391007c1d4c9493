"""Fields that hold the ids of documents: `"author": {"type": "string", "x-ref": "users", "x-on-delete": "cascade"}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from bunbase.bundoc.documents import read_all, read_fields, read_items, write
from bunbase.bundoc.schema.keywords import Place, Schema

REF: Final = "x-ref"
ON_DELETE: Final = "x-on-delete"
INDEX_PREFIX: Final = "_ref_"  # names of the system: no index of a client may begin so

OnDelete = Literal["restrict", "set_null", "cascade"]
ON_DELETES: Final = ("restrict", "set_null", "cascade")


class Reference(msgspec.Struct, frozen=True):
    """`path` leads to ids in `collection`, also through arrays. `on_delete`: what becomes of whoever names one."""

    path: Place
    collection: str
    on_delete: OnDelete = "restrict"

    @property
    def field(self) -> str:
        return ".".join(self.path)

    @property
    def index_name(self) -> str:
        return INDEX_PREFIX + self.field


def references_of(schema: Schema, path: Place = ()) -> tuple[Reference, ...]:
    return tuple(_references(schema, path))


def _references(schema: Any, path: Place) -> Iterator[Reference]:
    if not isinstance(schema, dict):
        return
    if REF in schema:
        yield Reference(path, schema[REF], schema.get(ON_DELETE, "restrict"))
    for name, one in schema.get("properties", {}).items():
        yield from _references(one, (*path, name))
    yield from _references(schema.get("items"), path)


def named(document: Any, path: Place, at: Place = ()) -> Iterator[tuple[Place, str]]:
    """Give the ids at the path, each with the place where it stands."""
    if isinstance(document, list):
        for number, one in enumerate(document):
            yield from named(one, path, (*at, str(number)))
    elif not path and isinstance(document, str):
        yield at, document
    elif path and isinstance(document, dict) and path[0] in document:
        yield from named(document[path[0]], path[1:], (*at, path[0]))


def without(value: bytes, path: Place, ids: set[str]) -> bytes:
    """Give the document with null for these ids at the path, and without them in arrays; all else as it was stored."""
    if value[:1] == b"[":
        items = [bytes(one) for one in read_items(value)]
        kept = [one for one in items if path or not _is_one(one, ids)]
        return write([msgspec.Raw(without(one, path, ids)) for one in kept])
    if not path:
        return b"null" if _is_one(value, ids) else value
    if value[:1] != b"{" or path[0] not in (fields := read_fields(value)):
        return value
    fields[path[0]] = msgspec.Raw(without(bytes(fields[path[0]]), path[1:], ids))
    return write(fields)


def _is_one(value: bytes, ids: set[str]) -> bool:
    return value[:1] == b'"' and read_all(value) in ids
