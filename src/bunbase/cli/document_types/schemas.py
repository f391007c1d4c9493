"""Read a JSON Schema (2020-12) as a type. Keywords that no type can express are ignored, so the type is wider."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from bunbase.cli.document_types.intersecting import MOST_LEVELS, Intersecting
from bunbase.cli.document_types.model import (
    ANY_ARRAY,
    ANY_OBJECT,
    ANYTHING,
    NOTHING,
    Array,
    Boolean,
    Field,
    NamedType,
    Null,
    Number,
    Object,
    Text,
    Type,
    Union,
    literal,
    parts_of,
    union,
)

KINDS: Final = ("null", "boolean", "number", "string", "array", "object")
EXACT: Final = 2**53 - 1  # JavaScript's numbers hold every integer up to this one
# at most this number of elements of a tuple have their own types; all further elements have the type of the rest
MOST_ELEMENTS: Final = 32
ROOT: Final = NamedType("", whole=True)
OF_TIMES: Final = {
    "date-time": "A time in RFC 3339.",
    "date": "A date in RFC 3339: 2026-11-29.",
    "time": "A time of day in RFC 3339.",
}
# each of these keywords describes only values of one kind
OF_KINDS: Final = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "x-int64"),
    "string": ("pattern", "minLength", "maxLength", "format", "x-ref"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "unevaluatedItems"),
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependentRequired",
        "dependentSchemas",
        "unevaluatedProperties",
    ),
}


class Reference(msgspec.Struct, frozen=True):
    """A field that refers to documents of another collection. `path`: dotted, as in `expand`."""

    path: str
    collection: str


class SchemaReader:
    """Reads one schema.

    `named`: the document itself (ROOT) and the types of `$defs` that it needs; the method `document` fills it.
    """

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.named: dict[NamedType, Type] = {}
        self.open: list[NamedType] = []
        self.intersecting = Intersecting(self.expand)

    def document(self) -> Type:
        """Return the type of the documents, without their system fields. Fill `named` with all types that it needs."""
        found = self._and(self._read(self.schema), ANY_OBJECT)
        self.named[ROOT] = found if found != NOTHING else ANY_OBJECT
        self._meet(self.named[ROOT])
        return self.named[ROOT]

    def expand(self, name: NamedType) -> Type:
        """Return the type that a name stands for. A definition that only refers to itself allows any value."""
        if name in self.named:
            return self.named[name]
        if name in self.open or len(self.open) > MOST_LEVELS:
            return ANYTHING
        self.open.append(name)
        try:
            found = self._read(self._schema_of(name))
            while isinstance(found, NamedType):
                found = self.expand(found)
            if isinstance(found, Union) and any(isinstance(part, NamedType) for part in found.parts):
                found = union(self.expand(part) if isinstance(part, NamedType) else part for part in found.parts)
        finally:
            self.open.pop()
        if not self.open:
            self.named[name] = found
        return found

    def _meet(self, type: Type) -> None:
        """Find all names in a type, and all names in the types that these names stand for."""
        waiting = [type]
        while waiting:
            for name in names_in(waiting.pop()):
                if name not in self.named:
                    waiting.append(self.expand(name))

    def _read(self, schema: Any) -> Type:
        if isinstance(schema, bool):
            return ANYTHING if schema else NOTHING
        found = self._of_kinds(schema)
        if "enum" in schema:
            found = self._and(found, union(literal(one) for one in schema["enum"]))
        if "const" in schema:
            found = self._and(found, literal(schema["const"]))
        if "$ref" in schema:
            found = self._and(found, _name(schema["$ref"]))
        for one in schema.get("allOf", ()):
            found = self._and(found, self._read(one))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                found = self._and(found, union([self._read(one) for one in schema[keyword]]))
        return self._with_conditional_fields(found, schema)

    def _and(self, one: Type, other: Type) -> Type:
        return self.intersecting.both(one, other)

    def _schema_of(self, name: NamedType) -> Any:
        return self.schema if name == ROOT else self.schema["$defs"][name.name]

    def _of_kinds(self, schema: dict[str, Any]) -> Type:
        """Return the type that the keywords for the kinds of values describe."""
        kinds = schema.get("type", ())
        kinds = (kinds,) if isinstance(kinds, str) else kinds
        if not kinds:
            if not any(keyword in schema for keywords in OF_KINDS.values() for keyword in keywords):
                return ANYTHING
            kinds = KINDS
        return union([self._of_kind(kind, schema) for kind in kinds])

    def _of_kind(self, kind: str, schema: dict[str, Any]) -> Type:
        match kind:
            case "null":
                return Null()
            case "boolean":
                return Boolean()
            case "integer" | "number":
                return Number(kind == "integer", kind == "integer" and _is_wide(schema))
            case "string":
                return Text(schema.get("x-ref", ""))
            case "array":
                return self._array(schema)
            case _:
                return self._object(schema)

    def _array(self, schema: dict[str, Any]) -> Type:
        first = [self._read(one) for one in schema.get("prefixItems", ())][:MOST_ELEMENTS]
        all_first = len(first) == len(schema.get("prefixItems", ()))
        rest = self._read(schema.get("items", True)) if all_first else ANYTHING
        least, most = int(schema.get("minItems", 0)), schema.get("maxItems")
        for place, one in enumerate(first):
            if one == NOTHING:
                first, rest = first[:place], NOTHING
                break
        if most is not None and most <= len(first):
            first, rest = first[: int(most)], NOTHING
        if rest == NOTHING and least > len(first):
            return NOTHING
        return Array(tuple(first), rest, least) if first or rest != ANYTHING or least else ANY_ARRAY

    def _object(self, schema: dict[str, Any]) -> Type:
        properties, required = schema.get("properties", {}), set(schema.get("required", ()))
        fields = []
        for name in sorted(properties.keys() | required):
            described = properties.get(name, True)
            type = self._read(described)
            if type == NOTHING:
                if name in required:
                    return NOTHING
                continue
            fields.append(Field(name, type, name in required, text_of(described)))
        return Object(tuple(fields), self._rest(schema))

    def _rest(self, schema: dict[str, Any]) -> Type | None:
        """Return the type of the fields that are not in `properties`, or None if the schema says nothing about them."""
        patterns = [self._read(one) for one in schema.get("patternProperties", {}).values()]
        others = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
        if others is None:
            return ANYTHING if patterns else None
        if "additionalProperties" not in schema:  # `unevaluatedProperties` also depends on other parts of the schema
            return ANYTHING if others is not False or patterns else None
        return union([*patterns, self._read(others)])

    def _with_conditional_fields(self, type: Type, schema: dict[str, Any]) -> Type:
        """Add the fields that only a condition describes. The fields may have any type if the condition is false."""
        conditions = [schema[keyword] for keyword in ("if", "then", "else") if keyword in schema]
        conditions += schema.get("dependentSchemas", {}).values()
        names = {name for one in conditions for name in self._described(one)}
        if not names:
            return type
        return union([_with_names(part, names) if isinstance(part, Object) else part for part in parts_of(type)])

    def _described(self, schema: Any, levels: int = 0) -> Iterator[str]:
        """Yield the names of all fields that a schema describes for the object itself."""
        if not isinstance(schema, dict) or levels > MOST_LEVELS:
            return
        yield from schema.get("properties", {})
        inner = [*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
        inner += [schema[keyword] for keyword in ("if", "then", "else") if keyword in schema]
        inner += schema.get("dependentSchemas", {}).values()
        if "$ref" in schema:
            inner.append(self._schema_of(_name(schema["$ref"])))
        for one in inner:
            yield from self._described(one, levels + 1)


def references_in(schema: Any, path: tuple[str, ...] = (), in_array: bool = False) -> Iterator[Reference]:
    """Yield the fields with `x-ref`, with the paths to use in `expand`."""
    if not isinstance(schema, dict):
        return
    if path and "x-ref" in schema:
        yield Reference(".".join(path), schema["x-ref"])
    for name, one in schema.get("properties", {}).items():
        yield from references_in(one, (*path, name))
    if path and not in_array:
        yield from references_in(schema.get("items"), path, in_array=True)


def names_in(type: Type) -> Iterator[NamedType]:
    """Yield the names that a type uses, but not the names that are inside of the named types."""
    match type:
        case NamedType():
            yield type
        case Union():
            yield from _names_of(type.parts)
        case Array():
            yield from _names_of((*type.first, type.rest))
        case Object():
            yield from _names_of([field.type for field in type.fields])
            yield from _names_of(() if type.rest is None else (type.rest,))
        case _:
            return


def text_of(schema: Any) -> str:
    """Return the title and description of a schema."""
    if not isinstance(schema, dict):
        return ""
    said = [str(schema[keyword]) for keyword in ("title", "description") if schema.get(keyword)]
    return "\n".join([*said, *([OF_TIMES[schema["format"]]] if schema.get("format") in OF_TIMES else [])])


def _names_of(types: Iterable[Type]) -> Iterator[NamedType]:
    for type in types:
        yield from names_in(type)


def _name(reference: str) -> NamedType:
    """Return the name that `#` or `#/$defs/name` stands for. The server accepts no other references."""
    if reference == "#":
        return ROOT
    return NamedType(reference.rpartition("/")[2].replace("~1", "/").replace("~0", "~"))


def _is_wide(schema: dict[str, Any]) -> bool:
    """True if the schema intentionally allows integers that JavaScript's numbers cannot hold."""
    if "x-int64" in schema:
        return schema["x-int64"] is True
    bounds = [schema.get(word, 0) for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")]
    return any(abs(bound) > EXACT for bound in bounds)


def _with_names(type: Object, names: set[str]) -> Object:
    known = {field.name for field in type.fields}
    more = [Field(name, ANYTHING, required=False) for name in names - known] if type.rest is None else []
    return Object(tuple(sorted([*type.fields, *more], key=lambda field: field.name)), type.rest)
