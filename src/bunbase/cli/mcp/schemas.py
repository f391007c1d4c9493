"""JSON Schemas of arguments and answers."""

from __future__ import annotations

from typing import Any, Final

import msgspec

TEMPLATE: Final = "#/$defs/{name}"
PREFIX: Final = "#/$defs/"


def schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of a Struct, with all definitions inline, because several clients ignore `$ref`."""
    (schema,), definitions = msgspec.json.schema_components([kind], ref_template=TEMPLATE)
    inlined: dict[str, Any] = _inlined(schema, definitions)
    return inlined


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        return {**_inlined(definitions[schema["$ref"].removeprefix(PREFIX)], definitions), **rest}
    # leave out titles, which only repeat the name of our class; a `title` that is a dict is a property of the object
    named = {name: value for name, value in schema.items() if name != "title" or not isinstance(value, str)}
    return {name: _inlined(value, definitions) for name, value in named.items()}
