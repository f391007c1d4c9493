"""Valid schemas are accepted. Invalid schemas are refused with the place of the mistake."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase.bundoc.definition import check_spec
from bunbase.bundoc.schema.checking import MAX_LEVELS
from bunbase.bundoc.schema.references import Reference, references_of
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.problems import InvalidSchema

REFERENCE = {"type": "string", "x-ref": "users"}


def refused_at(schema: dict[str, Any]) -> str:
    with pytest.raises(InvalidSchema) as refused:
        check_spec(CollectionSpec(schema=schema))
    (error,) = refused.value.extra["errors"]
    return str(error["path"])


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema"},
        {"$defs": {"a/b": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a~1b"}}},
        {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}},
        {"properties": {"author": {**REFERENCE, "type": ["string", "null"], "x-on-delete": "set_null"}}},
        {"properties": {"team": {"properties": {"members": {"items": {"properties": {"user": REFERENCE}}}}}}},
        {"properties": {"at": {"format": "date-time"}, "code": {"pattern": "^[a-z]+$"}}},
    ],
)
def test_a_valid_schema_is_accepted(schema: dict[str, Any]) -> None:
    check_spec(CollectionSpec(schema=schema))
    check_spec(CollectionSpec(schema=schema, strict=True))


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"properties": {"a": {"type": "strin"}}}, "/properties/a/type"),
        ({"properties": {"a/b~c": {"minimum": "1"}}}, "/properties/a~1b~0c/minimum"),
        ({"properties": {"a": {"format": "nope"}}}, "/properties/a/format"),
        ({"properties": {"a": {"pattern": "(?=a)"}}}, "/properties/a/pattern"),
        ({"properties": {"a": {"pattern": "(a{1000}){1000}"}}}, "/properties/a/pattern"),
        ({"$ref": "https://example.com/schema"}, "/$ref"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "/properties/a/$ref"),
        ({"properties": {"a": {"$ref": "#/$defs/nothing"}}}, "/properties/a/$ref"),
        ({"properties": {"a": {"$id": "https://example.com/a"}}}, "/properties/a/$id"),
        ({"$dynamicRef": "#meta"}, "/$dynamicRef"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
        ({"type": "array"}, "/type"),
        ({"properties": {"_id": {}}}, "/properties/_id"),
        ({"required": ["_rev"]}, "/properties/_rev"),
        ({"maximum": 1 << 70}, ""),
        ({"description": "x" * (64 << 10)}, ""),
        (nested(MAX_LEVELS), ""),
    ],
)
def test_an_invalid_schema_is_refused_with_its_place(schema: dict[str, Any], path: str) -> None:
    assert refused_at(schema) == path


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ({"type": "string", "x-ref": "Users"}, "x-ref"),
        ({"type": "string", "x-ref": 1}, "x-ref"),
        ({"type": "integer", "x-ref": "users"}, "type"),
        ({"x-ref": "users"}, "type"),
        ({**REFERENCE, "x-on-delete": "explode"}, "x-on-delete"),
        ({**REFERENCE, "x-on-delete": "set_null"}, "type"),
        ({"type": "string", "x-on-delete": "cascade"}, "x-on-delete"),
        ({"anyOf": [REFERENCE]}, "anyOf/0/x-ref"),
        ({"prefixItems": [REFERENCE]}, "prefixItems/0/x-ref"),
        ({"items": {"items": REFERENCE}}, "items/items/x-ref"),
        ({"properties": {"-x": REFERENCE}}, "properties/-x/x-ref"),
        ({"properties": {"": REFERENCE}}, "properties//x-ref"),
        ({"properties": {"a.b": REFERENCE}}, "properties/a.b/x-ref"),
        ({**REFERENCE, "items": REFERENCE}, ""),
    ],
)
def test_an_invalid_or_misplaced_reference_is_refused_with_its_path(field: dict[str, Any], path: str) -> None:
    assert refused_at({"properties": {"author": field}}) == (f"/properties/author/{path}" if path else "")


def test_references_in_elements_without_a_path_are_ignored() -> None:
    assert refused_at({"items": {"properties": {"user": REFERENCE}}}) == "/items/properties/user/x-ref"


def test_a_field_may_be_named_items() -> None:
    schema = {"properties": {"items": {"items": {"properties": {"items": {"items": REFERENCE}}}}}}

    check_spec(CollectionSpec(schema=schema))

    assert references_of(schema) == (Reference(("items", "items"), "users"),)


def test_a_reference_in_schema_definitions_is_refused() -> None:
    schema = {"$defs": {"user": REFERENCE}, "properties": {"author": {"$ref": "#/$defs/user"}}}

    assert refused_at(schema) == "/$defs/user/x-ref"


def test_at_most_16_fields_may_be_references() -> None:
    fields = {f"f{number}": REFERENCE for number in range(17)}

    assert refused_at({"properties": fields}) == ""


def doubling(levels: int) -> dict[str, Any]:
    steps = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**steps, f"a{levels}": {}}, "$ref": "#/$defs/a0"}


def test_a_schema_that_would_check_a_value_too_often_is_refused() -> None:
    either = {"oneOf": [{"properties": {"left": {"$ref": "#"}}}, {"properties": {"right": {"$ref": "#"}}}]}

    check_spec(CollectionSpec(schema=doubling(8)))
    assert refused_at(doubling(12)) == ""
    assert refused_at(either) == ""
    assert refused_at({"$ref": "#"}) == ""
