"""The `default` of a schema: create and put write it into the fields that a document lacks.

Only defaults below `properties` count: below alternatives, `items` and `$ref`, defaults would depend on the document. A
patch adds no defaults, because it must not bring back a field that an earlier write removed
(docs/decisions/0079-rules-warn-before-they-refuse.md).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import fields_of, read_fields, stored_form
from bunbase.bundoc.schema.checking import refused
from bunbase.bundoc.schema.keywords import Place, Schema
from bunbase.bundoc.schema.validating import DocumentSchema
from bunbase.contracts.bundoc.problems import InvalidDocument

DEFAULT: Final = "default"


class Defaults(msgspec.Struct, frozen=True):
    """The defaults of one object. `own`: the default of each field, as JSON.

    `below`: the defaults of nested objects.
    """

    own: dict[str, bytes]
    below: dict[str, Defaults]


def defaults_of(schema: Schema) -> Defaults | None:
    """Return the defaults in the properties of a schema; None if there are none."""
    found = Defaults({}, {})
    for name, one in _properties(schema):
        if DEFAULT in one:
            found.own[name] = msgspec.json.encode(one[DEFAULT])
        if (below := defaults_of(one)) is not None:
            found.below[name] = below
    return found if found.own or found.below else None


def filled(body: bytes, defaults: Defaults) -> bytes:
    """Return the stored form of a document with the defaults of its missing fields. Raises: DocumentTooLarge."""
    fields = read_fields(body)
    for name, text in defaults.own.items():
        fields.setdefault(name, msgspec.Raw(text))
    for name, below in defaults.below.items():
        if name in fields and bytes(fields[name])[:1] == b"{":
            fields[name] = msgspec.Raw(filled(bytes(fields[name]), below))
    return stored_form(fields)


def check_defaults(schema: Schema) -> None:
    """Check that each default matches its own schema. Raises: InvalidSchema.

    A default whose schema has a `$ref` is not checked here. Such a default is checked with each document that gets the
    default.
    """
    _check(schema, ())


def _check(schema: Schema, place: Place) -> None:
    for name, one in _properties(schema):
        at = (*place, "properties", name)
        if DEFAULT in one:
            _check_default(one, (*at, DEFAULT))
        _check(one, at)


def _check_default(schema: Schema, place: Place) -> None:
    document = msgspec.json.encode({"value": schema[DEFAULT]})
    try:
        fields_of(document)  # This call refuses values that no document may have.
        if b'"$ref"' not in msgspec.json.encode(schema):
            DocumentSchema({"properties": {"value": schema}}, strict=False).check(document)
    except InvalidDocument as problem:
        message = problem.extra["errors"][0]["message"]
        raise refused(place, f"This default does not match its schema: {message}") from None


def _properties(schema: Any) -> list[tuple[str, Schema]]:
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return [(name, one) for name, one in properties.items() if isinstance(one, dict)]
