"""Make a schema strict: objects may have only the fields that the schema describes.

The schema of the document, and of every object in it, is closed if the schema describes fields and does not itself say
whether other fields are allowed. Alternatives and conditions (`allOf`, `if` and similar) describe further fields of the
object around them. Alternatives and conditions are not closed, because a closed condition would fail for fields that
other parts describe.
"""

from __future__ import annotations

from typing import Any, Final

from bunbase.bundoc.schema.keywords import Schema, kept, meant, parts

OTHERS: Final = ("additionalProperties", "unevaluatedProperties")


def closed(schema: Schema) -> Schema:
    """Return a strict copy of the schema."""
    return _closed(schema, schema, close=True)


def _closed(schema: Schema, root: Schema, close: bool) -> Schema:
    copy: Any = dict(schema)
    for part in parts(schema):
        if not part.here and part.keyword != "contains":
            _put(copy, part.place, _closed(part.schema, root, close=True))
    for place, one in kept(schema):
        # This part stays open, because the schema that refers to it is closed.
        _put(copy, place, _closed(one, root, close=False))
    if close and not any(keyword in schema for keyword in OTHERS) and _describes(schema, root, set()):
        alone = "$ref" not in schema and not any(part.here for part in parts(schema))
        copy["additionalProperties" if alone else "unevaluatedProperties"] = False  # `additionalProperties` is faster.
    return dict(copy)


def _put(copy: Any, place: tuple[str, ...], inner: Schema) -> None:
    keyword, *name = place
    if not name:
        copy[keyword] = inner
    elif isinstance(copy[keyword], list):
        copy[keyword] = [inner if str(number) == name[0] else one for number, one in enumerate(copy[keyword])]
    else:
        copy[keyword] = {**copy[keyword], name[0]: inner}


def _describes(schema: Schema, root: Schema, seen: set[int]) -> bool:
    if id(schema) in seen:
        return False
    seen.add(id(schema))
    if "properties" in schema or "patternProperties" in schema:
        return True
    here = [part.schema for part in parts(schema) if part.here and part.keyword != "not"]
    other = meant(root, schema["$ref"]) if "$ref" in schema else None
    return any(_describes(one, root, seen) for one in (*here, *([other] if isinstance(other, dict) else [])))
