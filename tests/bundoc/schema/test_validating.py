"""Validation of documents against a schema, and the errors of documents that violate the schema."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.bundoc.documents import stored_form
from bunbase.bundoc.schema.validating import EXAMPLES, MAX_ERRORS, MAX_VALUES, DocumentSchema, read_exactly
from bunbase.contracts.bundoc.problems import InvalidDocument


def violations(schema: dict[str, Any], body: bytes, strict: bool = False) -> list[tuple[str, str]]:
    found = DocumentSchema(schema, strict).violations(body)
    return [(one["path"], one["keyword"]) for one in found]


def properties(**fields: Any) -> dict[str, Any]:
    return {"properties": fields}


@pytest.mark.parametrize(
    ("schema", "body", "expected"),
    [
        (properties(a={"type": "string"}), b'{"a":1}', [("/a", "type")]),
        ({"required": ["a/b"]}, b"{}", [("/a~1b", "required")]),
        (properties(l={"items": {"minimum": 3}}), b'{"l":[1,5,2]}', [("/l/0", "minimum"), ("/l/2", "minimum")]),
        (properties(o={"required": ["p"]}), b'{"o":{}}', [("/o/p", "required")]),
        (
            properties(o={"properties": {}, "additionalProperties": False}),
            b'{"o":{"a":1}}',
            [("/o/a", "additionalProperties")],
        ),
        (properties(a=False), b'{"a":1}', [("/a", "falseSchema")]),
        (properties(e={"format": "email"}), b'{"e":"nobody"}', [("/e", "format")]),
        (properties(d={"format": "date-time"}), b'{"d":"2026-01-01"}', [("/d", "format")]),
        (properties(u={"format": "uuid"}), b'{"u":"1"}', [("/u", "format")]),
        (properties(u={"format": "uri"}), b'{"u":"/a"}', [("/u", "format")]),
        (properties(s={"anyOf": [{"type": "string"}, {"type": "null"}]}), b'{"s":2}', [("/s", "anyOf")]),
        (properties(s={"maxLength": 2}), '{"s":"äöü"}'.encode(), [("/s", "maxLength")]),
        (properties(s={"maxLength": 3}), '{"s":"äöü"}'.encode(), []),
    ],
)
def test_an_error_names_the_path_of_the_violation(
    schema: dict[str, Any], body: bytes, expected: list[tuple[str, str]]
) -> None:
    assert violations(schema, body) == expected


@pytest.mark.parametrize("format", EXAMPLES)
def test_the_error_of_a_format_shows_a_value_that_has_it(format: str) -> None:
    schema = DocumentSchema(properties(a={"format": format}), strict=False)

    (error,) = schema.violations(b'{"a":"2026-05-01 at noon"}')

    assert error["message"].endswith(f", such as {EXAMPLES[format]}.")
    assert schema.violations(msgspec.json.encode({"a": EXAMPLES[format]})) == []


@pytest.mark.parametrize(
    ("schema", "number", "fits"),
    [
        ({"type": "integer"}, b"9223372036854775807", True),
        ({"maximum": 9007199254740992}, b"9007199254740993", False),
        ({"const": 9007199254740993}, b"9007199254740992", False),
        ({"type": "integer"}, b"1.0", True),
        ({"type": "integer"}, b"1.00000000000000000001", False),
        ({"maximum": 1}, b"1.00000000000000000001", False),
        ({"multipleOf": 0.01}, b"19.99", True),
        ({"multipleOf": 0.01}, b"19.999", False),
        ({"type": "integer"}, b"123456789012345678901234567890", True),
        ({"minimum": 0}, b"-1e-300", False),
    ],
)
def test_schemas_compare_numbers_as_they_were_sent(schema: dict[str, Any], number: bytes, fits: bool) -> None:
    assert (violations(properties(n=schema), b'{"n":%b}' % number) == []) is fits


def test_errors_do_not_repeat_contents_of_the_document() -> None:
    schema = DocumentSchema(properties(a={"enum": ["x"]}, b={"pattern": "^x$"}, c={"const": 1}), False)

    told = msgspec.json.encode(schema.violations(b'{"a":"a secret","b":"a secret","c":"a secret"}'))

    assert b"secret" not in told
    assert told.count(b"path") == 3


def test_the_number_and_length_of_errors_are_limited() -> None:
    schema = DocumentSchema({"additionalProperties": {"type": "string"}}, False)

    some = schema.violations(stored_form({f"f{n}": msgspec.Raw(b"1") for n in range(100)}))
    one = schema.violations(stored_form({f"f{n}": msgspec.Raw(b"1") for n in range(2 * MAX_VALUES)}))

    assert (len(some), len(one)) == (MAX_ERRORS, 1)


STRICT: dict[str, Any] = {
    "$defs": {"name": {"properties": {"first": {}}}, "dated": {"properties": {"at": {}}}},
    "allOf": [{"$ref": "#/$defs/dated"}],
    "properties": {
        "name": {"$ref": "#/$defs/name"},
        "open": {"type": "object"},
        "half": {"properties": {"a": {}}, "additionalProperties": {"type": "string"}},
        "rows": {"items": {"properties": {"n": {"type": "integer"}}}},
    },
}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"title":1}', "/title"),
        (b'{"name":{"last":1}}', "/name/last"),
        (b'{"rows":[{"n":1},{"m":1}]}', "/rows/1/m"),
        (b'{"half":{"b":1}}', "/half/b"),
    ],
)
def test_strict_refuses_fields_that_the_schema_does_not_describe(body: bytes, path: str) -> None:
    assert [place for place, _ in violations(STRICT, body, strict=True)] == [path]


@pytest.mark.parametrize(
    "body",
    [b'{"name":{"first":1},"at":1}', b'{"open":{"anything":1}}', b'{"half":{"b":"text"}}', b'{"rows":[{"n":1}]}'],
)
def test_strict_accepts_fields_that_the_schema_describes(body: bytes) -> None:
    assert violations(STRICT, body, strict=True) == []


def test_strict_does_not_apply_inside_conditions() -> None:
    at_home = properties(address=properties(country={"const": "home"}))
    address = properties(street={}, country={})
    schema = {**properties(address=address, tax={}), "if": at_home, "then": {"required": ["tax"]}}

    taxed = violations(schema, b'{"address":{"street":1,"country":"home"}}', strict=True)
    unknown = violations(schema, b'{"address":{"country":"away","zip":1}}', strict=True)

    assert (taxed, unknown) == ([("/tax", "required")], [("/address/zip", "additionalProperties")])


def test_other_fields_are_accepted_without_strict() -> None:
    assert violations(STRICT, b'{"title":1,"name":{"last":1},"rows":[{"m":1}]}') == []


def test_the_detail_of_an_invalid_document_is_its_first_violation() -> None:
    with pytest.raises(InvalidDocument, match=r"^/a: This field is required\.$"):
        DocumentSchema({"required": ["a"]}, False).check(b"{}")


SCALARS = st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.text(max_size=5)
NAMES = st.text(min_size=1, max_size=3)  # For a field named "", the library reports the path of the object.
TYPES = {
    "null": lambda one: one is None,
    "boolean": lambda one: isinstance(one, bool),
    "integer": lambda one: isinstance(one, int) and not isinstance(one, bool),
    "string": lambda one: isinstance(one, str),
}


@given(
    fields=st.dictionaries(NAMES, SCALARS, max_size=5),
    types=st.dictionaries(NAMES, st.sampled_from(sorted(TYPES)), max_size=5),
    strict=st.booleans(),
)
def test_random_documents_are_judged_like_a_simple_validator_does(
    fields: dict[str, Any], types: dict[str, str], strict: bool
) -> None:
    schema = DocumentSchema({"properties": {name: {"type": one} for name, one in types.items()}}, strict)

    wrong = {name for name, value in fields.items() if name in types and not TYPES[types[name]](value)}
    unknown = fields.keys() - types.keys() if strict else set()
    expected = {"/" + name.replace("~", "~0").replace("/", "~1") for name in wrong | unknown}

    assert {one["path"] for one in schema.violations(msgspec.json.encode(fields))} == expected


@pytest.mark.parametrize(
    ("schema", "document", "fits"),
    [
        ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": list(range(150_000))}, True),
        (
            {"properties": {"a": {"items": {"anyOf": [{"const": n} for n in range(900)]}}}},
            {"a": [899] * 100_000},
            False,
        ),
        ({"properties": {"a": {"items": {"anyOf": [{"const": n} for n in range(900)]}}}}, {"a": [899] * 300}, True),
        (
            {"properties": {"a": {"items": {"enum": [{"n": n} for n in range(900)]}}}},
            {"a": [{"n": 899}] * 50_000},
            False,
        ),
        ({"properties": {"a": {"pattern": "^[a-z]+$"}}}, {"a": "x" * 1_000_000}, True),
        ({"allOf": [{"properties": {"a": {"pattern": f"a{n}"}}} for n in range(200)]}, {"a": "x" * 1_000_000}, False),
    ],
)
def test_a_document_that_would_block_the_process_is_refused(schema: Any, document: Any, fits: bool) -> None:
    """During the check, the library holds the interpreter lock. The second case took 36 seconds."""
    found = DocumentSchema(schema, strict=False).violations(msgspec.json.encode(document))

    assert [one["keyword"] for one in found] == ([] if fits else ["effort"])


@pytest.mark.parametrize("bound", ["multipleOf", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"])
def test_numbers_that_take_long_to_compare_are_refused_before_the_comparison(bound: str) -> None:
    """The library writes out each digit of a number, and no other request is served meanwhile."""
    checked = DocumentSchema({"properties": {"l": {"items": {bound: 0.01}}}}, strict=False)

    def keywords(number: str, times: int) -> set[str]:
        body = f'{{"l":[{",".join([number] * times)}]}}'
        return {one["keyword"] for one in checked.violations(body.encode())}

    for number in ("1.23e300", "-1e-300", "1E+0300", "-1e-9999"):
        assert keywords(number, 10_000) == {"effort"}
        assert "effort" not in keywords(number, 100)
    assert "effort" not in keywords("-1.5e-05", 20_000)
    assert "effort" not in keywords("19.99", 40_000)
    assert keywords("19.99", 100_000) == {"effort"}


def test_numbers_that_meet_a_very_large_or_small_bound_are_refused_too() -> None:
    """The library compares each value with the bound digit by digit."""
    ordinary = DocumentSchema({"properties": {"l": {"items": {"maximum": 1 << 53}}}}, strict=False)
    assert not ordinary.violations(b'{"l":[%s]}' % b",".join([b"5"] * 300_000))

    checked = DocumentSchema({"properties": {"l": {"items": {"multipleOf": 1e-300}}}}, strict=False)
    assert [one["keyword"] for one in checked.violations(b'{"l":[%s]}' % b",".join([b"5"] * 10_000))] == ["effort"]


def test_tiny_decimals_are_read_as_doubles() -> None:
    """-1e-9999 alone took some milliseconds."""
    assert read_exactly(b"[-1e-9999,4.02,1e300]") == [0.0, Decimal("4.02"), 1e300]
