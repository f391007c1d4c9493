"""Check a schema before it is saved. Each refusal has the JSON Pointer of the part that is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import jsonschema_rs
import msgspec

from bunbase.bundoc.documents import COLLECTION
from bunbase.bundoc.query.filters import MAX_INTEGER, MIN_INTEGER
from bunbase.bundoc.query.parse import MAX_PATH_PARTS
from bunbase.bundoc.schema.cost import MAX_CHECKS, MAX_INSTRUCTIONS, instructions, worst
from bunbase.bundoc.schema.keywords import Place, Schema, everything, meant, pointer
from bunbase.bundoc.schema.references import ON_DELETE, ON_DELETES, REF, fields, references_of
from bunbase.contracts.bundoc.problems import InvalidSchema
from bunbase.pkg.control_characters import holds_control

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MAX_BYTES: Final = 64 << 10
MAX_LEVELS: Final = 64
MAX_REFERENCES: Final = 16
MAX_MESSAGE: Final = 300
WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")

# Each of these keywords could lead outside the schema, or to another place than these checks assume.
REFUSED: Final = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary")


def check_schema(schema: Schema) -> None:
    """Check everything that can be checked without compiling the schema. Raises: InvalidSchema."""
    check_size(schema)
    if schema.get("$schema", DIALECT) not in (DIALECT, DIALECT + "#"):
        raise refused(("$schema",), f"Schemas must be JSON Schema 2020-12: leave $schema out, or send {DIALECT}.")
    try:
        jsonschema_rs.meta.validate({**schema, "$schema": DIALECT})
    except jsonschema_rs.ValidationError as error:
        raise refused([str(one) for one in error.instance_path], f"{error.message}.") from None
    if schema.get("type", "object") != "object":
        raise refused(("type",), "A document is an object: leave type out, or set it to object.")
    for place, one in everything(schema):
        _check_words(schema, place, one)
    for place, one in everything(schema):
        _check_names(place, one)
    for name in (*schema.get("properties", {}), *schema.get("required", ())):
        if name.startswith("_"):
            raise refused(("properties", name), "Names that begin with _ are reserved, so schemas cannot have them.")
    _check_references(schema)
    if instructions(schema) > MAX_INSTRUCTIONS:
        raise refused((), "The patterns of this schema are too large in total: use fewer or simpler patterns.")
    if worst(schema) > MAX_CHECKS:
        raise refused((), "Checking a document could take too long: the schema nests too many alternatives.")


def check_size(schema: Schema) -> None:
    """Check that a schema is small enough for all further checks and for other processes. Raises: InvalidSchema."""
    if _deeper(schema, MAX_LEVELS):
        raise refused((), f"A schema can have at most {MAX_LEVELS} levels of nesting.")
    if any(not MIN_INTEGER <= number <= MAX_INTEGER for number in _integers(schema)):
        raise refused((), "Integers in a schema have at most 64 bits.")
    if (size := len(msgspec.json.encode(schema))) > MAX_BYTES:
        raise refused((), f"This schema has {size} bytes; the maximum is {MAX_BYTES}.")


def refused(place: Place | list[str], message: str) -> InvalidSchema:
    message = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
    at = pointer(tuple(place))
    return InvalidSchema.at(at, message, f"At {at}: {message}" if at else "")


def _deeper(value: Any, levels: int) -> bool:
    """True if the value has more than `levels` levels. The function does not read deeper levels."""
    return isinstance(value, dict | list) and (not levels or any(_deeper(one, levels - 1) for one in _inner(value)))


def _integers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    for one in _inner(value):
        yield from _integers(one)


def _inner(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _check_words(root: Schema, place: Place, schema: Schema) -> None:
    for word in REFUSED:
        if word in schema:
            raise refused((*place, word), f"{word} is not supported: use $defs, and $ref to #/$defs/name.")
    if place and "$schema" in schema:
        raise refused((*place, "$schema"), "$schema is allowed only at the top of the schema.")
    if "$ref" in schema:
        try:
            meant(root, schema["$ref"])
        except LookupError:
            message = "A $ref must lead to # or #/$defs/name in the same schema; other schemas are not fetched."
            raise refused((*place, "$ref"), message) from None


def _check_names(place: Place, schema: Schema) -> None:
    """Refuse names that no field of a document can have."""
    for keyword in ("properties", "required", "dependentRequired", "dependentSchemas"):
        for name in schema.get(keyword, ()):
            if holds_control(name):
                raise refused((*place, keyword, name), "Names of fields cannot contain control characters.")


def _check_references(schema: Schema) -> None:
    paths = {one.place: one.path for one in fields(schema)}
    for place, one in everything(schema):
        if ON_DELETE in one and REF not in one:
            raise refused((*place, ON_DELETE), f"{ON_DELETE} needs {REF} in the same schema.")
        if REF in one:
            _check_reference(one, place, paths.get(place))
    if len(references_of(schema)) > MAX_REFERENCES:
        raise refused((), f"A collection has at most {MAX_REFERENCES} fields with {REF}.")
    named = [reference.path for reference in references_of(schema)]
    if twice := next((path for path in named if named.count(path) > 1), None):
        raise refused((), f"The field {'.'.join(twice)} has more than one {REF}.")


def _check_reference(schema: Schema, place: Place, path: Place | None) -> None:
    if not path:
        raise refused((*place, REF), f"{REF} must be in properties or in their items, not in $defs or alternatives.")
    if not all(WORD.fullmatch(name) for name in path) or len(path) > MAX_PATH_PARTS:
        message = f"The path of a reference has at most {MAX_PATH_PARTS} names of letters, digits, _ and -."
        raise refused((*place, REF), message)
    if not isinstance(schema[REF], str) or not COLLECTION.fullmatch(schema[REF]):
        raise refused((*place, REF), f"{REF} must be the name of a collection, such as users.")
    if schema.get(ON_DELETE, "restrict") not in ON_DELETES:
        raise refused((*place, ON_DELETE), f"{ON_DELETE} must be {', '.join(ON_DELETES[:-1])} or {ON_DELETES[-1]}.")
    listed = place[-1] == "items"
    kinds = schema.get("type")
    if kinds not in ("string", ["string", "null"], ["null", "string"]):
        raise refused((*place, "type"), f'With {REF}, type must be "string" or ["string", "null"].')
    if schema.get(ON_DELETE) == "set_null" and kinds == "string" and not listed:
        raise refused((*place, "type"), 'With set_null, type must be ["string", "null"].')
