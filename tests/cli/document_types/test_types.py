"""Each form of a schema has one type in each language."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bunbase.cli.document_types.collections import CollectionSchema, revision_of, types_of
from bunbase.cli.document_types.naming import document_names, singular
from bunbase.cli.document_types.python import python
from bunbase.cli.document_types.typescript import typescript

COMPILED = Path(__file__).parents[3] / "packages" / "functions" / "test" / "database.ts"
DEFS = {
    "tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}},
    "a/b": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}},
    "loop": {"$ref": "#/$defs/loop"},
}
TEXT = {"type": "string"}
NUMBER = {"type": "number"}

ONE_FIELD: list[tuple[Any, str, str]] = [
    (TEXT, "string", "str"),
    ({"type": "string", "format": "date-time"}, "string", "str"),
    ({"type": "string", "x-ref": "users"}, 'Id<"users">', "str"),
    ({"type": ["string", "null"], "x-ref": "users"}, 'Id<"users"> | null', "str | None"),
    ({"type": "integer"}, "number", "int"),
    ({"type": "integer", "maximum": 2**53 - 1, "minimum": 1 - 2**53}, "number", "int"),
    ({"type": "integer", "maximum": 2**53}, "number | bigint", "int"),
    ({"type": "integer", "x-int64": True}, "number | bigint", "int"),
    ({"type": "array", "items": {"type": "integer", "x-int64": True}}, "(number | bigint)[]", "list[int]"),
    ({"type": "number", "maximum": 1e300}, "number", "float"),
    ({"enum": ["b", "a", 1, 2.5]}, '"b" | "a" | 1 | 2.5', 'Literal["b", "a", 1] | float'),
    ({"enum": [True, None]}, "true | null", "Literal[True] | None"),
    ({"enum": ["a", 5, None], "type": ["string", "null"]}, '"a" | null', 'Literal["a"] | None'),
    ({"enum": [True, False]}, "boolean", "bool"),
    ({"const": 2**60}, f"{2**60}n", f"Literal[{2**60}]"),
    ({"const": 'a"\\\u2028'}, '"a\\"\\\\\\u2028"', "Literal['a\"\\\\\\u2028']"),
    ({"enum": [f"v{number}" for number in range(400)]}, "string", "str"),
    ({"type": "array"}, "unknown[]", "list[Any]"),
    ({"type": "array", "items": {"type": ["string", "null"]}}, "(string | null)[]", "list[str | None]"),
    ({"type": "array", "prefixItems": [TEXT, NUMBER], "minItems": 1}, "[string, number?, ...unknown[]]", "list[Any]"),
    (
        {"type": "array", "prefixItems": [TEXT, NUMBER], "minItems": 2, "items": False},
        "[string, number]",
        "list[str | float]",
    ),
    (
        {"type": "array", "prefixItems": [TEXT], "items": NUMBER, "minItems": 2},
        "[string, number, ...number[]]",
        "list[str | float]",
    ),
    ({"type": "array", "prefixItems": [TEXT, NUMBER], "maxItems": 1}, "[string?]", "list[str]"),
    ({"type": "object"}, "{ [name: string]: unknown }", "dict[str, Any]"),
    ({"type": "object", "additionalProperties": NUMBER}, "{ [name: string]: number }", "dict[str, float]"),
    ({"type": "object", "additionalProperties": False}, "{ [name: string]: never }", "dict[str, Any]"),
    ({"type": "object", "patternProperties": {"^x": NUMBER}}, "{ [name: string]: unknown }", "dict[str, Any]"),
    (
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": NUMBER},
        "{ a?: string; [name: string]: number | string | undefined; }",
        "dict[str, float | str]",
    ),
    ({"type": "object", "properties": {"a-b": TEXT}, "required": ["z"]}, '{ "a-b"?: string; z: unknown; }', "PostF"),
    ({"allOf": [{"$ref": "#/$defs/a~1b"}], "properties": {"y": NUMBER}}, "{ x: string; y?: number; }", "PostF"),
    ({"$ref": "#/$defs/a~1b"}, "PostAB", "PostAB"),
    ({"$ref": "#/$defs/tree"}, "PostTree", "PostTree"),
    ({"$ref": "#"}, "PostFields", "PostFields"),
    ({"$ref": "#/$defs/loop"}, "PostLoop", "PostLoop"),
    ({}, "unknown", "Any"),
    (True, "unknown", "Any"),
    ({"not": TEXT}, "unknown", "Any"),
    ({"anyOf": [TEXT, {"type": "integer"}]}, "string | number", "str | int"),
    ({"anyOf": [TEXT, {"type": "integer"}], "type": "string"}, "string", "str"),
    ({"maximum": 5}, "null | boolean | number | string | unknown[] | { [name: string]: unknown }",
     "None | bool | float | str | list[Any] | dict[str, Any]"),
    (
        {"type": "object", "properties": {"a": TEXT}, "if": {"required": ["a"]}, "then": {"properties": {"b": NUMBER}}},
        "{ a?: string; b?: unknown; }",
        "PostF",
    ),
]  # fmt: skip

POSTS = {
    "required": ["title", "status", "author"],
    "properties": {
        "title": TEXT,
        "status": {"enum": ["draft", "done"]},
        "likes": {"type": "integer"},
        "tags": {"type": "array", "items": TEXT},
        "author": {"type": "string", "x-ref": "users"},
        "address": {"type": "object", "required": ["city"], "properties": {"city": TEXT, "zip": TEXT}},
    },
}
EXAMPLE = [
    CollectionSchema("posts", POSTS),
    CollectionSchema("users", {"required": ["name"], "properties": {"name": TEXT}}),
    CollectionSchema("notes"),
]


def field_of(schema: Any) -> tuple[str, str]:
    """Return the types of a required field with this schema, on one line."""
    whole = {"required": ["f"], "properties": {"f": schema}, "$defs": DEFS}
    types = types_of([CollectionSchema("posts", whole)])
    ts = re.search(r"\n  f: (.*?);\n(?:  /|\})", typescript("", types), re.DOTALL)
    py = re.search(r"class PostFields\(TypedDict\):\n(?:    #.*\n)?    f: (.*)", python("", types))
    assert ts is not None
    assert py is not None
    return " ".join(ts[1].split()), py[1]


@pytest.mark.parametrize(("schema", "ts", "py"), ONE_FIELD, ids=range(len(ONE_FIELD)))
def test_a_field_has_the_type_of_its_schema(schema: Any, ts: str, py: str) -> None:
    assert field_of(schema) == (ts, py)


def test_a_definition_that_leads_only_to_itself_may_be_anything() -> None:
    types = types_of([CollectionSchema("posts", {"properties": {"f": {"$ref": "#/$defs/loop"}}, "$defs": DEFS})])

    assert "export type PostLoop = unknown;" in typescript("", types)
    assert 'PostLoop: TypeAlias = "Any"' in python("", types)


def test_recursive_alternatives_end_with_a_wider_type() -> None:
    """Each level of this schema has four intersections; without a bound, their number would have no end."""
    node = {"properties": {name: {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]} for name in "wxyz"}}
    schema = {"$ref": "#/$defs/a", "$defs": {"a": node, "b": {**node, "required": ["w"]}}}

    assert "export interface NewPost" in typescript("", types_of([CollectionSchema("posts", schema)]))


def test_the_text_does_not_depend_on_the_order_of_collections_and_fields() -> None:
    again = [
        CollectionSchema(one.name, one.schema and dict(reversed(list(one.schema.items())))) for one in reversed(EXAMPLE)
    ]

    for write in (typescript, python):
        assert write("", types_of(again)) == write("", types_of(EXAMPLE))
    assert revision_of(again) == revision_of(EXAMPLE)
    assert revision_of(EXAMPLE[:1]) != revision_of(EXAMPLE)


def test_a_comment_cannot_end_early() -> None:
    schema = {"properties": {"f": {"type": "string", "description": "ends */ here\nsecond\u2028line\x00"}}}
    types = types_of([CollectionSchema("posts", schema)])

    assert "   * ends *\\/ here\n   * second\n   * line\n   */\n  f?: string;" in typescript("", types)
    assert "    # ends */ here\n    # second\n    # line\n    f: NotRequired[str]" in python("", types)


def test_names_are_singular_and_never_meet() -> None:
    assert document_names(["posts", "blog_entries", "news", "statuses", "boxes", "a1"]) == {
        "a1": "A1",
        "blog_entries": "BlogEntry",
        "boxes": "Box",
        "news": "New",
        "posts": "Post",
        "statuses": "Status",
    }
    assert document_names(["post", "posts"]) == {"post": "Post", "posts": "Posts"}
    names = document_names(["databases", "ids", "new_posts", "posts", "nones", "a_b", "a__b"])
    assert len({form.format(name) for name in names.values() for form in ("{}", "New{}", "{}Fields")}) == 3 * len(names)
    assert not {"Database", "Id", "None"} & set(names.values())
    words = {"glass": "glass", "bus": "bus", "analysis": "analysis", "gas": "gas", "dishes": "dish", "houses": "house"}
    assert {word: singular(word) for word in words} == words


def test_references_of_all_depths_are_in_the_database() -> None:
    ref = {"type": "string", "x-ref": "users"}
    inner = {"type": "object", "properties": {"by": ref, "all": {"type": "array", "items": ref}}}
    schema = {"properties": {"log": {"type": "array", "items": inner}, "owner": ref}}

    text = typescript("", types_of([CollectionSchema("posts", schema)]))

    assert 'refs: { "log.all": "users"; "log.by": "users"; owner: "users" } };' in text


def test_the_types_that_the_handlers_are_compiled_with_are_those_of_today() -> None:
    """packages/functions/test/typed.ts uses this file; `npm run types` compiles it."""
    header = COMPILED.read_text().split("\n\n")[0].replace("// ", "")

    assert f"Revision of the schemas: {revision_of(EXAMPLE)}" in header
    assert typescript(header, types_of(EXAMPLE)) == COMPILED.read_text()
