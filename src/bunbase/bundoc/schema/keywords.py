"""The keywords of JSON Schema (2020-12) that contain other schemas, and the values to which those schemas apply."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

Schema = dict[str, Any]
Place = tuple[str, ...]  # The names on the way to a part of a schema or of a document.

HERE_ONE: Final = ("not", "if", "then", "else")
HERE_LISTED: Final = ("allOf", "anyOf", "oneOf")
HERE_NAMED: Final = ("dependentSchemas",)
BELOW_ONE: Final = (
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
)
BELOW_LISTED: Final = ("prefixItems",)
BELOW_NAMED: Final = ("properties", "patternProperties")
KEPT: Final = "$defs"


class Part(msgspec.Struct, frozen=True):
    """A schema in another schema. `here`: true if both schemas apply to the same value; otherwise the inner schema
    applies to a value inside that value.
    """

    place: Place
    schema: Schema
    here: bool

    @property
    def keyword(self) -> str:
        return self.place[0]


def parts(schema: Schema) -> Iterator[Part]:
    """Yield the schemas directly in this schema, except those in `$defs` and except the schemas true and false."""
    found: list[tuple[Place, Any]]
    for keyword, value in schema.items():
        if keyword in HERE_ONE or keyword in BELOW_ONE:
            found = [((keyword,), value)]
        elif keyword in HERE_LISTED or keyword in BELOW_LISTED:
            found = [((keyword, str(number)), one) for number, one in enumerate(value)]
        elif keyword in HERE_NAMED or keyword in BELOW_NAMED:
            found = [((keyword, name), one) for name, one in value.items()]
        else:
            continue
        here = keyword in HERE_ONE or keyword in HERE_LISTED or keyword in HERE_NAMED
        yield from (Part(place, one, here) for place, one in found if isinstance(one, dict))


def kept(schema: Schema) -> Iterator[tuple[Place, Schema]]:
    for name, one in schema.get(KEPT, {}).items():
        if isinstance(one, dict):
            yield (KEPT, name), one


def everything(schema: Schema, place: Place = ()) -> Iterator[tuple[Place, Schema]]:
    """Yield the schema and all schemas inside it, each with its place."""
    yield place, schema
    for part in parts(schema):
        yield from everything(part.schema, place + part.place)
    for further, one in kept(schema):
        yield from everything(one, place + further)


def meant(root: Schema, ref: str) -> Any:
    """Return the schema that `#` or `#/$defs/name` refers to. Raises: LookupError."""
    if ref == "#":
        return root
    start, _, name = ref.rpartition("/")
    if start != f"#/{KEPT}":
        raise LookupError(ref)
    return root[KEPT][name.replace("~1", "/").replace("~0", "~")]


def pointer(place: Place | list[str | int]) -> str:
    """Return the place as a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(name).replace("~", "~0").replace("/", "~1") for name in place)
